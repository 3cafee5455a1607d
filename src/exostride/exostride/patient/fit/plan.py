"""Find the consistent gait of each speed and write ``config/norms/gait_plan.yaml``.

``python -m exostride.patient.fit.plan --out config/norms/gait_plan.yaml [--policy OLD.yaml]``

Least squares over Fourier coefficients of joints and pelvis: angles inside the published bands, stance feet
that stand on the belt (heel, then ball), swing feet that clear it, vertical force as published, centre of
pressure under the feet, joint moments near the published ones and smooth. Takes some seconds a speed.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml
from scipy.optimize import least_squares

from exostride.conventions import GRAVITY_M_S2, JOINT_KINDS
from exostride.gait.bands import FILE_NAME as BANDS_FILE
from exostride.gait.reference import FILE_NAME as REFERENCE_FILE
from exostride.gait.reference import fourier_matrix, load_reference
from exostride.model.anthropometry import BodyParameters
from exostride.model.geometry import body_geometry
from exostride.paths import config_dir
from exostride.patient.fit.motion import (
    BALL_RADIUS_M,
    CYCLE,
    HALF,
    HARMONICS,
    HEEL_RADIUS_M,
    KINDS,
    Array,
    Motion,
    Result,
    over_cycle,
)
from exostride.patient.fit.targets import Targets, targets
from exostride.patient.profiles import load_profile
from exostride.types import Vector

SPEEDS: Final = (
    (0.14, 0.3, 0.692),
    (0.3, 0.3, 0.692),
    (0.6, 0.0, 0.674),
    (1.0, 0.0, 0.628),
    (1.3, 0.0, 0.608),
    (1.6, 0.0, 0.600),
)
"""Speed [m/s] of the unimpaired patient, the part of the body weight carried by the harness, and the stance.

Stance as a part of the cycle is 1 to 2 points longer than the norms' mean: longer double support steadies.
"""
SINK_M: Final = 0.0085
SINK_POWER: Final = 0.3
"""Compression of a flat shoe's sole that carries the body's weight, and the power of the load by which
it grows; see ``exostride.plant.checks``."""
CLEARANCE_M: Final = 0.015
FOOT_PLACE_M: Final = 0.08
"""Lateral distance of a stance foot from the middle."""
TORQUE_HARMONICS: Final = 16


@dataclass(frozen=True)
class Case:
    """One speed of one body."""

    speed_m_s: float
    unloading: float
    stride_s: float
    stance: float

    @property
    def heel_off(self) -> float:
        """Phase at which the heel may leave the ground."""
        return 0.6 * self.stance

    @property
    def foot_flat(self) -> float:
        """Phase at which the ball is on the ground."""
        return 0.14 * self.stance


class Problem:
    """Residuals of one case."""

    def __init__(self, body: BodyParameters, case: Case) -> None:
        self.case, self.body = case, body
        self.motion = Motion(body, case.stride_s)
        self.geometry = body_geometry(body)
        self.leg_m = self.geometry.leg_length
        froude = case.speed_m_s / float(np.sqrt(GRAVITY_M_S2 * self.leg_m))
        self.goal: Targets = targets(froude, case.stance, case.unloading)
        self.share = np.where(CYCLE[:HALF] > case.stance - 0.5, 1.0, self.goal.share)
        self.heel_sink, self.ball_sink = self._sinks()

    def start(self) -> Vector:
        """Return the middle of the bands, pelvis at 98.5 % of standing height."""
        x = np.zeros(self.motion.size)
        series = np.linalg.pinv(fourier_matrix(CYCLE, HARMONICS))
        for k, name in enumerate(JOINT_KINDS):
            x[self.motion.layout[name]] = series @ self.goal.middle[:, k]
        x[self.motion.layout["z"]][:1] = 0.985 * self.leg_m
        return x

    # ------------------------------------------------------------------ ground

    def _sinks(self) -> tuple[Vector, Vector]:
        """Return how deep heel and ball press into the sole [m], over the cycle."""
        c = self.case
        share = np.concatenate([self.share, 1.0 - self.share])
        load = share * np.tile(self.goal.vertical, 2) / GRAVITY_M_S2
        heel = np.interp(CYCLE, [c.foot_flat, c.heel_off], [1.0, 0.0])
        heel, ball = (SINK_M * (2.0 * load * part) ** SINK_POWER for part in (heel, 1.0 - heel))
        return heel, ball

    def foot_track(self, x: Vector) -> Vector:
        """Return the ankle place [m] that a standing foot keeps on the moving belt, over the cycle."""
        c = self.case
        place = float(x[self.motion.layout["foot_place"]][0])
        return np.asarray(place - c.speed_m_s * c.stride_s * (CYCLE - 0.5 * c.stance))

    def pressure(self, x: Vector, q: Array, result: Result) -> tuple[Array, Vector]:
        """Return the total centre of pressure (N, 2) [m] and the vertical force (N,) [N]."""
        mass = self.body.mass_kg
        root = self.motion.root
        vertical = result.force[:, 2] - self.case.unloading * mass * GRAVITY_M_S2
        safe = np.maximum(vertical, 0.3 * mass * GRAVITY_M_S2)
        height = q[:, root["z"]]
        forward = q[:, root["x"]] + (-height * result.force[:, 0] - result.moment[:, 1]) / safe
        sideways = q[:, root["y"]] + (result.moment[:, 0] - height * result.force[:, 1]) / safe
        return np.column_stack([forward, sideways]), vertical

    def ground(self, x: Vector, result: Result, cop: Array, vertical: Vector) -> tuple[Array, Array]:
        """Share the external force between the feet: forces and places, shape (N, 2, 3) each."""
        c, foot, mass = self.case, self.geometry.foot, self.body.mass_kg
        track = self.foot_track(x)
        left, right = track[:HALF], track[HALF:]
        w = self.share
        rear = right + 1.1 * foot.ball_x
        reach = np.minimum(1.0, CYCLE[:HALF] / (c.stance - 0.5))
        front = (cop[:, 0] - (1.0 - w) * rear) / np.maximum(w, 0.05)
        front = np.clip(front, left + foot.heel_x, left + foot.heel_x + 0.25 * reach)
        rear = np.clip((cop[:, 0] - w * front) / np.maximum(1.0 - w, 0.05), right, right + foot.toe_tip_x)
        single = w >= 1.0
        front = np.where(single, np.clip(cop[:, 0], left + foot.heel_x, left + foot.toe_tip_x), front)
        forward = mass * np.stack([self.goal.forward[:HALF], self.goal.forward[HALF:]], axis=1)
        share = np.stack([w, 1.0 - w], axis=1)
        forward += share * (result.force[:, 0] - forward.sum(axis=1))[:, None]
        force = np.stack([forward, share * result.force[:, 1:2], share * vertical[:, None]], axis=2)
        lateral = np.stack([np.where(single, cop[:, 1], result.ball[:, 0, 1]), result.ball[:, 1, 1]], axis=1)
        return force, np.stack([np.stack([front, rear], axis=1), lateral, np.zeros((HALF, 2))], axis=2)

    # ------------------------------------------------------------------ residuals

    def residuals(self, x: Vector) -> Vector:
        """Return all residuals, each divided by its tolerance."""
        q, v, a = self.motion.trajectory(x)
        result = self.motion.evaluate([q, v, a])
        cop, vertical = self.pressure(x, q, result)
        parts = [
            *self._stance(x, result),
            *self._swing(result),
            *self._bands(q),
            *self._dynamics(x, result, cop, vertical),
            *self._torques(x, q, result, cop, vertical),
            *self._frontal(q, result),
            *self._smooth(x),
        ]
        return np.concatenate([np.ravel(p) for p in parts])

    def _heights(self, result: Result) -> tuple[Vector, Vector]:
        heel, ball = over_cycle(result.heel)[:, 2], over_cycle(result.ball)[:, 2]
        return heel - HEEL_RADIUS_M, ball - BALL_RADIUS_M

    def _stance(self, x: Vector, result: Result) -> list[Array]:
        c, foot = self.case, self.geometry.foot
        track, pitch = self.foot_track(x), over_cycle(result.foot_pitch)
        heel_z, ball_z = self._heights(result)
        on_heel = (c.heel_off >= CYCLE).astype(float)
        on_ball = ((c.foot_flat <= CYCLE) & (c.stance - 0.01 >= CYCLE)).astype(float)
        # A round contact rolls: its centre moves by radius times angle.
        heel_x = over_cycle(result.heel)[:, 0] - HEEL_RADIUS_M * pitch - track - foot.heel_x
        ball_x = over_cycle(result.ball)[:, 0] - BALL_RADIUS_M * pitch - track - foot.ball_x
        return [
            on_heel * heel_x / 0.002,
            on_heel * (heel_z + self.heel_sink) / 0.0015,
            on_ball * ball_x / 0.002,
            on_ball * (ball_z + self.ball_sink) / 0.0015,
        ]

    def _swing(self, result: Result) -> list[Array]:
        c = self.case
        heel_z, ball_z = self._heights(result)
        toe_z = over_cycle(result.toe)[:, 2]
        swing = (c.stance + 0.03 < CYCLE) & (CYCLE < 0.97)
        part = (CYCLE - c.stance) / (1.0 - c.stance)
        clear = CLEARANCE_M * np.clip(np.minimum(part / 0.25, (1.0 - part) / 0.15), 0.0, 1.0)
        clear = np.where(swing, clear, 0.0)
        off_ball = swing | ((c.heel_off < CYCLE) & ~((c.foot_flat <= CYCLE) & (c.stance - 0.01 >= CYCLE)))
        return [
            np.where(swing, np.minimum(0.0, toe_z - clear), 0.0) / 0.002,
            np.where(off_ball, np.minimum(0.0, ball_z - clear), 0.0) / 0.002,
            np.where(c.heel_off < CYCLE, np.minimum(0.0, heel_z - clear), 0.0) / 0.002,
        ]

    def _bands(self, q: Array) -> list[Array]:
        e = ((self.motion.legs(q)[:, 1:] - self.goal.middle) / self.goal.half_width)[::2]
        return [0.35 * e, 6.0 * np.maximum(0.0, np.abs(e) - 0.75)]

    def _dynamics(self, x: Vector, result: Result, cop: Array, vertical: Vector) -> list[Array]:
        low, high = (self.share * a[:HALF] + (1.0 - self.share) * a[HALF:] for a in self._support(x))
        aside = cop[:, 1] - self.share * result.ball[:, 0, 1] - (1.0 - self.share) * result.ball[:, 1, 1]
        return [
            (vertical / self.body.mass_kg - self.goal.vertical) / 0.5,
            (np.minimum(0.0, cop[:, 0] - low) + np.maximum(0.0, cop[:, 0] - high)) / 0.01,
            0.3 * aside / 0.02,
            np.maximum(0.0, np.abs(aside) - 0.02) / 0.005,
        ]

    def _support(self, x: Vector) -> tuple[Vector, Vector]:
        """Return the range in which each foot's pressure may lie: heel, flat foot, forefoot."""
        c, foot, track = self.case, self.geometry.foot, self.foot_track(x)
        low = np.where(c.heel_off > CYCLE, foot.heel_x + 0.01, 0.6 * foot.ball_x)
        low = np.where(0.75 * c.stance < CYCLE, 0.8 * foot.ball_x, low)
        high = np.where(0.62 * c.stance > CYCLE, 0.9 * foot.ball_x, 0.97 * foot.toe_tip_x)
        high = np.where(c.foot_flat > CYCLE, foot.heel_x + 0.03, high)
        return track + low, track + high

    def joint_torques(
        self, x: Vector, q: Array, result: Result, cop: Array, vertical: Vector
    ) -> tuple[Array, Array]:
        """Return torques of one leg over the cycle (2N, 4) [N m]: without ground contact, and from it."""
        force, place = self.ground(x, result, cop, vertical)
        return self.motion.legs(result.torque), -self.motion.legs(self.motion.carry(q, force, place))

    def _torques(self, x: Vector, q: Array, result: Result, cop: Array, vertical: Vector) -> list[Array]:
        free, load = self.joint_torques(x, q, result, cop, vertical)
        torque = (free + load) / self.body.mass_kg
        jerk = np.roll(torque, -1, axis=0) - 2.0 * torque + np.roll(torque, 1, axis=0)
        return [0.5 * (torque - self.goal.moment) / 0.25, 2.0 * jerk[:, 1:] / 0.15]

    def _frontal(self, q: Array, result: Result) -> list[Array]:
        stance = self.case.stance >= CYCLE
        place = np.concatenate([result.ball[:, 0, 1], -result.ball[:, 1, 1]])
        middle = float(place[stance].mean())
        roll, leg = q[:, self.motion.root["roll"]], self.motion.legs(q)[:, 0]
        tilt = np.concatenate([roll + leg[:HALF], leg[HALF:] - roll])
        return [
            np.where(stance, place - middle, 0.0) / 0.003,
            np.array([middle - FOOT_PLACE_M]) / 0.01,
            np.where(stance, tilt, 0.0) / 0.03,
        ]

    def _smooth(self, x: Vector) -> list[Array]:
        k = self.motion.layout
        order = np.repeat(np.arange(1, HARMONICS + 1), 2) ** 2
        parts = [x[k["pitch"]][1:] / 0.02, x[k["pitch"]][:1] / 0.05, x[k["x"]] / 0.02, x[k["roll"]] / 0.03]
        return [*parts, *(0.2 * order * x[k[j]][1:] for j in JOINT_KINDS), x[k["abduction"]] / 0.1]

    def solve(self, evaluations: int) -> Vector:
        """Return the best motion found."""
        scale = np.full(self.motion.size, 0.02)
        for name, value in (
            ("hip", 0.1),
            ("knee", 0.1),
            ("ankle", 0.1),
            ("abduction", 0.05),
            ("foot_place", 0.05),
        ):
            scale[self.motion.layout[name]] = value
        fit = least_squares(self.residuals, self.start(), x_scale=scale, max_nfev=evaluations)
        return np.asarray(fit.x)


# ---------------------------------------------------------------------- export


def _series(values: Vector, harmonics: int, digits: int = 6) -> list[float]:
    fit = np.linalg.lstsq(fourier_matrix(CYCLE, harmonics), values, rcond=None)[0]
    return [round(float(c), digits) for c in fit]


def _named(names: tuple[str, ...], columns: Array, harmonics: int, digits: int = 6) -> dict[str, list[float]]:
    return {n: _series(columns[:, k], harmonics, digits) for k, n in enumerate(names)}


def torque_sets(problem: Problem, x: Vector) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return torque and force series of the body alone and in the robot."""
    weight = problem.body.mass_kg * GRAVITY_M_S2
    moment = weight * problem.leg_m
    out: list[dict[str, Any]] = []
    for robot in (False, True):
        motion = Motion(problem.body, problem.case.stride_s, robot=robot)
        q, v, a = motion.trajectory(x)
        result = motion.evaluate([q, v, a])
        mine = problem.motion
        problem.motion = motion
        cop, vertical = problem.pressure(x, q, result)
        free, load = problem.joint_torques(x, q, result, cop, vertical)
        force, _ = problem.ground(x, result, cop, vertical)
        problem.motion = mine
        carried = 1.0 - problem.case.unloading
        out.append(
            {
                "torque_free": _named(KINDS, free / moment, 9),
                "torque_load": _named(KINDS, load / moment / carried, TORQUE_HARMONICS),
                "vertical_force": _series(over_cycle(force[:, :, 2]) / weight / carried, TORQUE_HARMONICS),
            }
        )
    return out[0], out[1]


def export(problem: Problem, x: Vector, old: dict[str, Any]) -> dict[str, Any]:
    """Return one speed of the plan file, with the feedback gains of an older one."""
    c, leg = problem.case, problem.leg_m
    q = problem.motion.trajectory(x)[0]
    alone, worn = torque_sets(problem, x)
    pelvis = {}
    for name in ("pitch", "roll", "x", "y", "z"):
        half = q[:, problem.motion.root[name]] / (1.0 if name in ("pitch", "roll") else leg)
        mirrored = -half if name in ("roll", "y") else half
        pelvis[name] = _series(np.concatenate([half, mirrored]), 6)
    return {
        "froude_speed": round(c.speed_m_s / float(np.sqrt(GRAVITY_M_S2 * leg)), 5),
        "stride_time": round(c.stride_s / float(np.sqrt(leg / GRAVITY_M_S2)), 5),
        "stance_fraction": round(c.stance, 4),
        "angle_deg": _named(KINDS, np.degrees(problem.motion.legs(q)), HARMONICS, 5),
        **alone,
        "in_robot": worn | {"policy": old["in_robot"]["policy"]},
        "pelvis": pelvis,
        "policy": old["policy"],
    }


def summary(problem: Problem, x: Vector) -> str:
    """Return one line about a motion: parts inside the bands, slip, clearance."""
    q, v, a = problem.motion.trajectory(x)
    result = problem.motion.evaluate([q, v, a])
    e = (problem.motion.legs(q)[:, 1:] - problem.goal.middle) / problem.goal.half_width
    inside = (np.abs(e) <= 1.0).mean(axis=0)
    slip = 2.0 * float(np.abs(np.concatenate(problem._stance(x, result)[::2])).max())
    toe = over_cycle(result.toe)[:, 2]
    c = problem.case
    swing = (c.stance + 0.25 * (1 - c.stance) < CYCLE) & (c.stance + 0.85 * (1 - c.stance) > CYCLE)
    return (
        f"{c.speed_m_s:4.2f} m/s  in bands {inside.round(2)}  foot off its place <= {slip:.1f} mm  "
        f"toe clearance {1e3 * toe[swing].min():.0f} mm"
    )


def main(arguments: list[str] | None = None) -> None:
    """Solve all speeds and write the file; feedback gains are taken over from an older plan."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--policy", type=Path, required=True, help="plan file whose feedback gains to keep")
    parser.add_argument("--evaluations", type=int, default=60)
    o = parser.parse_args(arguments)
    old = sorted(
        yaml.safe_load(o.policy.read_text(encoding="utf-8"))["speeds"], key=lambda s: s["froude_speed"]
    )
    body = load_profile("unimpaired").body
    reference = load_reference(config_dir() / "norms" / REFERENCE_FILE)
    leg, speeds = body_geometry(body).leg_length, []
    for speed, unloading, stance in SPEEDS:
        curve = reference.curve(speed, leg)
        case = Case(speed, unloading, _stride_time(speed, curve.stride_time_s), stance)
        problem = Problem(body, case)
        x = problem.solve(o.evaluations)
        print(summary(problem, x), flush=True)
        froude = speed / float(np.sqrt(GRAVITY_M_S2 * leg))
        nearest = min(old, key=lambda s: abs(s["froude_speed"] - froude))
        speeds.append(export(problem, x, nearest))
    content = {
        "made_by": [
            "python -m exostride.patient.fit.plan --out config/norms/gait_plan.yaml --policy PREVIOUS",
            "python -m exostride.bench.learn_walking (torques in the robot)",
            "python -m exostride.bench.tune_walking (feedback gains)",
        ],
        "citations": list(
            yaml.safe_load((config_dir() / "norms" / BANDS_FILE).read_text("utf-8"))["citations"]
        ),
        "speeds": speeds,
    }
    o.out.write_text(yaml.safe_dump(content, sort_keys=False, width=118), encoding="utf-8")


def _stride_time(speed: float, reference_s: float) -> float:
    return round(reference_s, 3) if speed < 0.2 else round(1.03 * reference_s, 3)


if __name__ == "__main__":
    main()
