"""Tune the walking patient's feedback gains by trials on the simulated treadmill.

``python -m exostride.bench.tune_walking --plan config/norms/gait_plan.yaml`` improves the policy in the file:
one set of gains for all its speeds, by CMA-ES (Hansen 2016, "The CMA evolution strategy: a tutorial",
arXiv:1604.00772) over trials with motor noise and with halved guidance. The cost weighs falls, distance from
the published bands, guidance, ground reaction and irregularity; it is deterministic with its seed.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import Pool
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml
from numpy.typing import NDArray

from exostride.analysis.walking import PHASE, Strides, cut_strides, guidance_rms, mid_swing_clearance_m
from exostride.bench.transparent_drive import TransparentDrive
from exostride.bench.treadmill_run import TreadmillRun, Walk, with_guidance
from exostride.conventions import GRAVITY_M_S2
from exostride.gait.bands import bands_at
from exostride.model.geometry import body_geometry
from exostride.patient.gait_plan import GaitPlan, load_plans
from exostride.patient.policy import FIELDS, OFFSETS, pack, unpack
from exostride.patient.profile import PatientProfile
from exostride.patient.profiles import load_profile
from exostride.patient.virtual import VirtualPatient
from exostride.plant.config import load_plant_config
from exostride.plant.plant import Plant
from exostride.plant.world import RobotKind
from exostride.types import Vector

PERIOD_S: Final = 0.005
GUIDANCE: Final = (1.0, 0.5)
"""Factors on the guidance: every policy is tried with both."""
NOISE: Final = 0.03
"""Motor noise in trials, so that the gains hold the gait against something."""
LOGARITHMIC: Final = (
    "stiffness_stance",
    "stiffness_swing",
    "damping_stance",
    "damping_swing",
    "trunk_pitch",
    "trunk_roll",
)
SCALES: Final = {
    "load_feedback": 0.3,
    "phase_reset": 0.2,
    "swing_upright": 0.3,
    "placement_forward": 0.4,
    "placement_sideways": 0.4,
    "lean": 0.5,
    "ankle_drift": 0.15,
    "ankle_late_stiffening": 0.3,
    "knee_lift": 3.0,
}
"""Step of one unit of the search variable, for gains that may have either sign; the others move by 25 %."""
CEILING: Final = {
    "stiffness_stance": (1.2, 0.9, 0.9, 0.9),
    "stiffness_swing": (0.7, 0.6, 0.45, 0.25),
    "damping_stance": (0.12, 0.1, 0.1, 0.1),
    "damping_swing": (0.08, 0.06, 0.05, 0.025),
}
"""Highest gains allowed: 0.9 m g l is about 10 N m/deg for 72 kg, the stiffest stance reported."""


def decode(z: Vector, base: Vector) -> Vector:
    """Return the flat policy for a search point around ``base``."""
    out = base.copy()
    for name, length in FIELDS.items():
        k = slice(OFFSETS[name], OFFSETS[name] + length)
        if name in LOGARITHMIC:
            out[k] = base[k] * np.exp(np.clip(0.25 * z[k], -2.0, 2.0))
        else:
            out[k] = base[k] + SCALES[name] * z[k]
        if name in CEILING:
            out[k] = np.minimum(out[k], CEILING[name])
    k = slice(OFFSETS["load_feedback"], OFFSETS["load_feedback"] + 4)
    out[k] = np.clip(out[k], -0.5, 1.0)
    i = OFFSETS["phase_reset"]
    out[i] = min(max(out[i], 0.0), 1.0)
    return out


def read_plan(path: Path) -> dict[str, Any]:
    """Return a plan file's content."""
    content: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    return content


def write_plan(content: dict[str, Any], path: Path) -> None:
    """Write a plan file."""
    text = yaml.dump(content, Dumper=yaml.CSafeDumper, sort_keys=False, width=118)
    path.write_text(text, encoding="utf-8")


class Trial:
    """Walks one speed with any policy; the plant is built once and reset."""

    def __init__(
        self,
        profile: PatientProfile,
        plans: tuple[GaitPlan, GaitPlan],
        speed_m_s: float,
        noise: float,
        unloading_percent: float,
        robot: RobotKind,
        guidance: float = 1.0,
    ) -> None:
        self.speed_m_s, self.unloading = speed_m_s, unloading_percent
        trembling = profile.model_copy(update={"motor_noise": noise})
        self.patient = VirtualPatient(trembling, plans[0], PERIOD_S, 0, plans[1])
        self.plant = Plant(with_guidance(load_plant_config(), guidance), profile.body, self.patient, robot)
        self.drive = TransparentDrive(profile.body, PERIOD_S) if robot == "exoskeleton" else None

    def run(self, policy: Vector, seed: int, duration_s: float) -> Walk:
        """Return the walk of one trial from the middle of the gait."""
        self.patient.set_policy(policy)
        self.patient.seed(seed)
        self.plant.reset()
        run = TreadmillRun(self.plant, self.patient, slip=False)
        if self.drive is not None:
            run.drive_with(self.drive)
        if self.unloading > 0.0:
            # Slow training begins in standing: starting, sooner or later, gently or not, is part of it.
            wait, ramp = 1.0 + 0.25 * (seed % 5), (0.05, 0.1, 0.2)[seed % 3]
            if run.run(wait, 0.0, unloading_percent=self.unloading):
                run.run(duration_s - wait, self.speed_m_s, ramp, self.unloading)
        else:
            run.start_in_gait(self.speed_m_s)
            run.run(duration_s, self.speed_m_s)
        return run.walk()


def left_strides(walk: Walk, mass_kg: float, from_s: float) -> Strides:
    """Return the strides of the left leg."""
    return cut_strides(
        walk["time"],
        walk["angle"][:, 1:4],
        walk["ground_force"][:, 2],
        walk["clearance"][:, 0],
        walk["slip_speed"][:, 0],
        mass_kg,
        from_s,
    )


@dataclass(frozen=True)
class Goal:
    """What a trial is judged by."""

    duration_s: float
    mass_kg: float
    leg_m: float
    from_s: float

    def cost(self, walk: Walk, speed: float, *, full: bool) -> float:
        """Return the cost of a walk; ``full`` adds everything beyond staying upright."""
        lasted = len(walk.rows) * PERIOD_S
        if walk.fell or lasted < self.duration_s - PERIOD_S:
            return 100.0 + 100.0 * (1.0 - lasted / self.duration_s)
        strides = left_strides(walk, self.mass_kg, self.from_s)
        if len(strides) < 2:
            return 90.0
        settled = walk["time"] >= self.from_s
        weight = self.mass_kg * GRAVITY_M_S2
        gx, gy = (guidance_rms(walk["guidance"][settled, k], weight) for k in (0, 1))
        drift = abs(float(walk["guidance"][settled, 0].mean())) / weight
        cost = 15.0 * max(0.0, gx - 0.02) / 0.02 + 15.0 * max(0.0, gy - 0.025) / 0.02 + 4.0 * drift / 0.02
        spread = float(np.degrees(strides.angle_rad.std(axis=0)).mean())
        cost += 0.7 * spread
        if not full:
            return float(0.5 * cost)
        froude = speed / float(np.sqrt(GRAVITY_M_S2 * self.leg_m))
        mean = np.degrees(strides.angle_rad.mean(axis=0))
        for band in bands_at(froude):
            m, sd = band.angles_deg(PHASE)
            e = np.abs(mean - m) / sd
            cost += float(8.0 * np.maximum(0.0, e - 1.4).mean() + e.mean() + 10.0 * (e > 1.85).mean())
            force = band.vertical_n_kg(PHASE)
            if force is not None:
                x = np.abs(strides.vertical_n_kg.mean(axis=0) - force[0]) / np.maximum(force[1], 0.3)
                cost += float((3.0 * np.maximum(0.0, x - 1.2) + 1.5 * x)[:62].mean())
        clearance = float(np.nanmin(mid_swing_clearance_m(strides)))
        return float(cost) + 10.0 * max(0.0, 0.008 - clearance) / 0.01


class Judge:
    """Cost of a policy over several speeds; each process has one, with its own plants."""

    def __init__(
        self,
        profile: PatientProfile,
        plans: tuple[GaitPlan, GaitPlan],
        tasks: list[tuple[float, RobotKind]],
        base: Vector,
        duration_s: float,
        seed: int,
    ) -> None:
        self._profile, self._plans, self._tasks, self._base = profile, plans, tasks, base
        self._duration_s, self._seed = duration_s, seed
        self._trials: list[Trial] = []

    def cost(self, z: Vector, generation: int) -> float:
        """Return the mean cost over the speeds; after a fall the speeds that follow count as falls."""
        if not self._trials:
            self._trials = [
                Trial(self._profile, self._plans, abs(v), NOISE, 30.0 if v < 0 else 0.0, robot, guidance)
                for v, robot in self._tasks
                for guidance in GUIDANCE
            ]
        leg = self._trials[0].patient.leg_m
        goal = Goal(self._duration_s, self._profile.body.mass_kg, leg, 0.4 * self._duration_s)
        policy, total = decode(z, self._base), 0.05 * float(z @ z) ** 0.5
        for i, trial in enumerate(self._trials):
            walk = trial.run(policy, self._seed + generation, self._duration_s)
            total += goal.cost(walk, trial.speed_m_s, full=trial.unloading == 0.0) / len(self._trials)
            if walk.fell:
                return float(total + 200.0 * (len(self._trials) - 1 - i) / len(self._trials))
        return float(total)


_SAME_SPEED: Final = 0.01
_JUDGES: list[Judge] = []
"""The judge of this worker process."""


def _equip(judge: Judge) -> None:
    _JUDGES[:] = [judge]


def _judge(task: tuple[Vector, int]) -> float:
    return _JUDGES[0].cost(*task)


def minimise(
    cost: Callable[[NDArray[np.float64], int], Vector],
    start: Vector,
    sigma: float,
    generations: int,
    population: int,
    seed: int,
    progress: Callable[[Vector], None],
) -> None:
    """Minimise by CMA-ES; ``cost`` takes points and the generation, ``progress`` the mean of each generation.

    The mean is what one keeps: it is less lucky than the best point.
    """
    random = np.random.default_rng(seed)
    n, parents = len(start), population // 2
    weight = np.log(parents + 0.5) - np.log(np.arange(1, parents + 1))
    weight /= weight.sum()
    mass = 1.0 / float((weight**2).sum())
    c_path, c_step = (4 + mass / n) / (n + 4 + 2 * mass / n), (mass + 2) / (n + mass + 5)
    c_one = 2 / ((n + 1.3) ** 2 + mass)
    c_rank = min(1 - c_one, 2 * (mass - 2 + 1 / mass) / ((n + 2) ** 2 + mass))
    damp = 1 + 2 * max(0.0, np.sqrt((mass - 1) / (n + 1)) - 1) + c_step
    expected = np.sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n * n))
    path, step_path, covariance, mean = np.zeros(n), np.zeros(n), np.eye(n), start.copy()
    best_cost, began = np.inf, time.monotonic()
    for generation in range(generations):
        values, basis = np.linalg.eigh(0.5 * (covariance + covariance.T))
        scale = np.sqrt(np.maximum(values, 1e-12))
        moves = (random.standard_normal((population, n)) * scale) @ basis.T
        costs = cost(mean + sigma * moves, generation)
        order = np.argsort(costs)
        best_cost = min(best_cost, float(costs[order[0]]))
        chosen = moves[order[:parents]]
        move = weight @ chosen
        mean = mean + sigma * move
        step_path = (1 - c_step) * step_path + np.sqrt(c_step * (2 - c_step) * mass) * (
            basis @ ((basis.T @ move) / scale)
        )
        path = (1 - c_path) * path + np.sqrt(c_path * (2 - c_path) * mass) * move
        rank: NDArray[np.float64] = (weight[:, None] * chosen).T @ chosen
        covariance = (1 - c_one - c_rank) * covariance + c_one * np.outer(path, path) + c_rank * rank
        sigma *= float(np.exp((c_step / damp) * (np.linalg.norm(step_path) / expected - 1)))
        print(
            f"{generation:4d}  best {best_cost:8.2f}  median {np.median(costs):8.2f}  step {sigma:.3f}  "
            f"{time.monotonic() - began:6.0f} s",
            flush=True,
        )
        progress(mean)


def _froude(speed_m_s: float) -> float:
    """Return the dimensionless speed of the unimpaired patient."""
    leg = body_geometry(load_profile("unimpaired").body).leg_length
    return abs(speed_m_s) / float(np.sqrt(GRAVITY_M_S2 * leg))


def tune(
    path: Path,
    out: Path,
    tasks: list[tuple[float, RobotKind]],
    targets: list[float],
    generations: int,
    population: int,
    sigma: float,
    duration_s: float,
    seed: int,
    workers: int,
) -> None:
    """Tune one policy in trials (speed, robot) and write it into the plan for the speeds ``targets``."""
    raw = read_plan(path)
    plans, profile = load_plans(path), load_profile("unimpaired")
    first = min(raw["speeds"], key=lambda item: abs(item["froude_speed"] - _froude(targets[0])))
    robots = {robot for _, robot in tasks}
    base = pack((first if "none" in robots else first["in_robot"])["policy"], str(path))
    judge = Judge(profile, plans, tasks, base, duration_s, seed)
    with Pool(workers, _equip, (judge,)) as pool:

        def costs(points: NDArray[np.float64], generation: int) -> Vector:
            return np.array(pool.map(_judge, [(z, generation) for z in points], chunksize=1))

        def keep(mean: Vector) -> None:
            policy = unpack(decode(mean, base))
            for item in raw["speeds"]:
                if any(abs(_froude(v) - item["froude_speed"]) < _SAME_SPEED for v in targets):
                    if "none" in robots:
                        item["policy"] = policy
                    if "exoskeleton" in robots:
                        item["in_robot"]["policy"] = policy
            write_plan(raw, out)

        minimise(costs, np.zeros(len(base)), sigma, generations, population, seed, keep)


def main(arguments: list[str] | None = None) -> None:
    """Read the options and tune."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plan", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--speeds", type=float, nargs="+", default=[1.0, 0.6, 1.3], help="m/s; negative: with 30 %% unloading"
    )
    parser.add_argument(
        "--targets", type=float, nargs="*", help="m/s; speeds of the plan to write, default: those tried"
    )
    parser.add_argument(
        "--robots", nargs="+", choices=("none", "exoskeleton"), default=["none", "exoskeleton"]
    )
    parser.add_argument("--generations", type=int, default=40)
    parser.add_argument("--population", type=int, default=14)
    parser.add_argument("--sigma", type=float, default=0.5)
    parser.add_argument("--duration", type=float, default=9.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1)
    o = parser.parse_args(arguments)
    targets = o.targets or [abs(v) for v in o.speeds]
    tasks: list[tuple[float, RobotKind]] = [(v, robot) for v in o.speeds for robot in o.robots]
    tune(o.plan, o.out, tasks, targets, o.generations, o.population, o.sigma, o.duration, o.seed, o.workers)


if __name__ == "__main__":
    main()
