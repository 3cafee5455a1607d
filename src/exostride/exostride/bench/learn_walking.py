r"""Let the virtual patient learn the torques of walking by practice, with a therapist's hands on the pelvis.

``python -m exostride.bench.learn_walking --plan PLAN.yaml --out LEARNED.yaml``

Inverse dynamics knows neither the sole's give nor the cuffs nor what the robot's drives leave uncompensated.
Feedback-error learning (Kawato, Furukawa & Suzuki 1987, Biol Cybern 57:169) finds what is missing: the
patient walks with the pelvis led along the plan by springs, and a share of the torque that feedback had to
add, averaged over the phase of many strides, is taken into the internal model,

.. math:: \tau_{k+1}(\varphi) = \tau_k(\varphi) + \alpha\,\langle \tau_{felt} - \tau_k \rangle(\varphi),

while the hands hold less from lesson to lesson. After each lesson the patient walks alone, with full and
with halved guidance and with motor noise; the model that did best there is kept. No seed is drawn anew: the
outcome is always the same.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from exostride.bench.transparent_drive import TransparentDrive
from exostride.bench.treadmill_run import TreadmillRun, Walk
from exostride.bench.tune_walking import NOISE, PERIOD_S, Goal, Trial, read_plan, write_plan
from exostride.gait.reference import fourier_matrix
from exostride.patient.fit.plan import SPEEDS, TORQUE_HARMONICS
from exostride.patient.gait_plan import (
    ANGLE,
    FORCE,
    FREE,
    LEG,
    LOAD,
    PELVIS,
    PELVIS_RATE,
    SAMPLES,
    GaitPlan,
    PlanFile,
    make_plan,
)
from exostride.patient.policy import STANCE_LOAD, pack
from exostride.patient.profiles import load_profile
from exostride.patient.virtual import VirtualPatient, attitude
from exostride.plant.config import load_plant_config
from exostride.plant.plant import Plant
from exostride.plant.world import RobotKind
from exostride.types import Vector

Array = NDArray[np.float64]
HOLDS: Final = (1.0, 1.0, 1.0, 0.5, 0.5, 0.2, 0.2)
"""Strength of the hands in the lessons, as a factor on the gains below."""
ALONE: Final = (0.0, 0.0, 0.0, 0.0)
"""The same for those who already keep balance from step to step."""
SHARE: Final = 0.4
_FORCE: Final = (8000.0, 800.0)
"""Stiffness [N/m] and damping [N s/m] of the hands in x, y, z."""
_MOMENT: Final = (np.array([1500.0, 1500.0, 600.0]), np.array([60.0, 60.0, 30.0]))
"""Stiffness [N m/rad] and damping [N m s/rad] of the hands in roll, pitch, yaw."""
_ENOUGH: Final = 0.8
"""Part of the phases that a lesson must have passed through."""
_LOST_RAD: Final = np.radians(6.0)
"""A lesson in which hip or knee were further off than this (RMS) teaches nothing."""
_TRIALS: Final = ((0.5, NOISE, 2), (1.0, NOISE, 1), (0.5, 0.0, 0))
"""Walks that judge a model: guidance factor, motor noise, seed."""
_PHASE: Final[Vector] = np.arange(SAMPLES) / SAMPLES


@dataclass(frozen=True)
class Case:
    """What is learned: speed [m/s], unloading [% of body weight], with or without the robot."""

    speed_m_s: float
    unloading_percent: float
    robot: RobotKind

    @property
    def carried(self) -> float:
        """Part of the body weight that the legs carry."""
        return 1.0 - self.unloading_percent / 100.0


class Hands:
    """Springs that lead the pelvis along the plan."""

    def __init__(self, patient: VirtualPatient, plan: GaitPlan, place: tuple[int, float]) -> None:
        self._patient, self._plan, self._place = patient, plan, place
        self.strength = 0.0

    def __call__(self, plant: Plant) -> None:
        """Set the hands' force and moment on the pelvis until the next tick."""
        who, sense, phase = self._patient, plant.sense(), float(plant.action.phase[0])
        row = self._plan.rows(self._place, phase, phase + 0.5)[0]
        stride_s = self._plan.stride_time_s(self._place, who.leg_m)
        pitch, roll, *place = row[PELVIS].tolist()
        pitch_rate, roll_rate, *velocity = (row[PELVIS_RATE] / stride_s).tolist()
        force = _FORCE[0] * (who.leg_m * np.array(place) - sense.pelvis_position_m)
        force += _FORCE[1] * (who.leg_m * np.array(velocity) - sense.pelvis_velocity_m_s)
        lean = np.array([roll, pitch, 0.0]) - np.array(attitude(sense.pelvis_orientation))
        spin = np.array([roll_rate, pitch_rate, 0.0]) - sense.pelvis_rate_rad_s
        body = plant.world.model.body("patient_pelvis").id
        moment = plant.data.xmat[body].reshape(3, 3) @ (_MOMENT[0] * lean + _MOMENT[1] * spin)
        arm = plant.data.xpos[body] - plant.data.xipos[body]
        wrench = np.concatenate([force, moment + np.cross(arm, force)])
        plant.data.xfrc_applied[body] = self.strength * wrench


def smooth(series: Array, harmonics: int) -> Array:
    """Return a periodic series over its first axis, without what lies above ``harmonics``."""
    spectrum = np.fft.rfft(series, axis=0)
    spectrum[harmonics + 1 :] = 0.0
    out: Array = np.fft.irfft(spectrum, n=len(series), axis=0)
    return out


def phase_mean(phase: Vector, values: Array) -> Array | None:
    """Return the mean of ``values`` (N, k) at SAMPLES phases; none if too many phases are missing."""
    x = (phase % 1.0) * SAMPLES
    k = np.floor(x).astype(int) % SAMPLES
    u = x - np.floor(x)
    total, weight = np.zeros((SAMPLES, values.shape[1])), np.zeros(SAMPLES)
    for index, share in ((k, 1.0 - u), ((k + 1) % SAMPLES, u)):
        np.add.at(total, index, values * share[:, None])
        np.add.at(weight, index, share)
    at = np.flatnonzero(weight > 0.0)
    if len(at) < _ENOUGH * SAMPLES:
        return None
    # Phase resetting may skip a few phases in every stride: they get what lies between their neighbours.
    known = total[at] / weight[at, None]
    every = np.arange(SAMPLES)
    return np.array([np.interp(every, at, column, period=SAMPLES) for column in known.T]).T


class School:
    """Lessons and trials of one case; edits the plan's table of its speed in place."""

    def __init__(self, case: Case, plans: tuple[GaitPlan, GaitPlan]) -> None:
        profile = load_profile("unimpaired")
        self.case, self.plans = case, plans
        self.plan = plans[case.robot == "exoskeleton"]
        self.patient = VirtualPatient(
            profile.model_copy(update={"motor_noise": 0.0}), plans[0], PERIOD_S, 0, plans[1]
        )
        froude = case.speed_m_s / self.patient.froude_m_s
        self.index = int(np.argmin(np.abs(self.plan.froude - froude)))
        self.stride_s = self.plan.stride_time_s((self.index, 0.0), self.patient.leg_m)
        self.plant = Plant(load_plant_config(), profile.body, self.patient, case.robot)
        self.body = profile.body
        self.mass_kg = profile.body.mass_kg
        self._hands = Hands(self.patient, self.plan, (self.index, 0.0))
        force = np.clip(self.table[:SAMPLES, FORCE] / STANCE_LOAD, 0.0, 1.0)
        self._stance = smooth(force[:, None], 12)

    @property
    def table(self) -> Array:
        """The plan's rows of this speed, shape (SAMPLES + 1, WIDTH); changes are the patient's at once."""
        rows: Array = self.plan.tables[self.index]
        return rows

    def lesson(self, strength: float) -> str:
        """Walk held by the hands and take over a share of what feedback added; return what happened."""
        run = TreadmillRun(self.plant, self.patient, slip=False)
        self.plant.reset()
        if self.case.robot == "exoskeleton":
            run.drive_with(TransparentDrive(self.body, PERIOD_S))
        self._hands.strength = strength
        run.hold_with(self._hands)
        run.start_in_gait(self.case.speed_m_s)
        settling = max(2.5, 1.5 * self.stride_s)
        upright = run.run(
            settling + max(3.5, 3.0 * self.stride_s),
            self.case.speed_m_s,
            unloading_percent=self.case.unloading_percent,
        )
        self.plant.data.xfrc_applied[:] = 0.0
        if not upright:
            return "fell"
        return self._take_over(run.walk(), settling, strength)

    def _take_over(self, walk: Walk, from_s: float, strength: float) -> str:
        rows = walk["time"] >= from_s
        both = [np.concatenate([walk[name][rows, :4], walk[name][rows, 4:]]) for name in ("torque", "angle")]
        mean = phase_mean(np.concatenate([*walk["phase"][rows].T]), np.hstack(both))
        if mean is None:
            return "strides of no use"
        table = self.table
        off = np.sqrt(((mean[:, 4:] - table[:SAMPLES, ANGLE]) ** 2).mean(axis=0))
        told = f"off by {np.degrees(off).round(1)} deg"
        if off[1:3].max() > _LOST_RAD:
            return told + ", nothing learned"
        model = table[:SAMPLES, FREE] + self.case.carried * table[:SAMPLES, LOAD]
        missing = smooth(SHARE * (mean[:, :4] / self.patient.moment_nm - model), TORQUE_HARMONICS)
        if strength <= 0.0:
            # Without hands, sway sets how the legs are spread: what abductors add there is not missing.
            missing[:, 0] = 0.0
        self.add(missing)
        felt = self.patient.moment_nm * np.sqrt((missing**2).mean(axis=0)) / SHARE
        return f"{told}, feedback {felt.round(1)} N m"

    def add(self, torque: Array) -> None:
        """Add to the model (SAMPLES, 4), to the part that carries load where the leg does."""
        parts = ((FREE, torque * (1.0 - self._stance)), (LOAD, torque * self._stance / self.case.carried))
        for columns, part in parts:
            self.set_series(columns, self.table[:SAMPLES, columns] + smooth(part, TORQUE_HARMONICS))

    def set_series(self, columns: slice, values: Array) -> None:
        """Set columns of the table, and their derivatives by phase beside them."""
        width = columns.stop - columns.start
        spectrum = np.fft.rfft(values, axis=0)
        order = np.arange(len(spectrum))[:, None]
        rate = np.fft.irfft(2j * np.pi * order * spectrum, n=SAMPLES, axis=0)
        self.table[:SAMPLES, columns] = values
        self.table[:SAMPLES, columns.stop : columns.stop + width] = rate
        self.table[SAMPLES] = self.table[0]

    def cost(self) -> float:
        """Return the mean cost of walks without hands."""
        seconds = max(8.0, 4.0 * self.stride_s)
        goal = Goal(seconds, self.mass_kg, self.patient.leg_m, 0.4 * seconds)
        total = 0.0
        policy = pack(self.plan.policies[self.index], "plan")
        for guidance, noise, seed in _TRIALS:
            trial = Trial(
                load_profile("unimpaired"),
                self.plans,
                self.case.speed_m_s,
                noise,
                self.case.unloading_percent,
                self.case.robot,
                guidance,
            )
            walk = trial.run(policy, seed, seconds)
            full = self.case.unloading_percent == 0.0
            total += goal.cost(walk, self.case.speed_m_s, full=full) / len(_TRIALS)
        return total

    def learn(self, holds: tuple[float, ...] = HOLDS) -> None:
        """Take a lesson for each strength of the hands; leave the best model in the table."""
        best, kept = self.cost(), self.table.copy()
        print(f"{self.case.robot} {self.case.speed_m_s} m/s: cost before {best:.1f}", flush=True)
        for strength in holds:
            told = self.lesson(strength)
            cost = self.cost()
            print(f"  hands {strength:.1f}: {told}; cost {cost:.1f}", flush=True)
            if cost < best:
                best, kept = cost, self.table.copy()
            if not told.startswith("off") or "nothing" in told:
                break
        self.table[:] = kept


def series(values: Array) -> dict[str, list[float]]:
    """Return the Fourier coefficients of the joints of one leg, for the file."""
    basis = fourier_matrix(_PHASE, TORQUE_HARMONICS)
    fit = np.linalg.lstsq(basis, values, rcond=None)[0]
    return {name: [round(float(c), 6) for c in fit[:, k]] for k, name in enumerate(LEG)}


def learn(content: dict[str, Any], cases: list[Case], where: Path, holds: tuple[float, ...] = HOLDS) -> None:
    """Learn the cases one after the other and write the models into the plan's ``content``."""
    raw = PlanFile.model_validate(content)
    plans = (make_plan(raw, where, robot=False), make_plan(raw, where, robot=True))
    order = sorted(content["speeds"], key=lambda item: item["froude_speed"])
    for case in cases:
        school = School(case, plans)
        school.learn(holds)
        entry = order[school.index] if case.robot == "none" else order[school.index]["in_robot"]
        entry["torque_free"] = series(school.table[:SAMPLES, FREE])
        entry["torque_load"] = series(school.table[:SAMPLES, LOAD])


def main(arguments: list[str] | None = None) -> None:
    """Read the options and learn."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plan", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--speeds", type=float, nargs="*", help="m/s; default: all of the plan")
    parser.add_argument(
        "--robots", nargs="+", choices=("none", "exoskeleton"), default=["none", "exoskeleton"]
    )
    o = parser.parse_args(arguments)
    content = read_plan(o.plan)
    wanted = [(v, u) for v, u, _ in SPEEDS if o.speeds is None or v in o.speeds]
    learn(content, [Case(v, 100.0 * u, robot) for robot in o.robots for v, u in wanted], o.plan)
    write_plan(content, o.out)


if __name__ == "__main__":
    main()
