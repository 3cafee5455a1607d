r"""Let the virtual patient learn their balance from step to step, from walks with small random changes.

``python -m exostride.bench.learn_steps --plan PLAN.yaml --out LEARNED.yaml``

The patient walks with motor noise and with small random inputs at every decision of
:mod:`exostride.patient.step_balance`. Ridge regression of each state on the state and input before gives the
map between decisions about the walk's own mean,

.. math:: s_{j+1} - \bar s_{j+1} = A_j (s_j - \bar s_j) + B_j u_j,

and the periodic Riccati equation (Bittanti, Colaneri & De Nicolao 1991, in The Riccati Equation, Springer)
the gains that make :math:`\sum s^T Q s + u^T R u` least; states are weighed by their spread in the walks.
Gains of different caution are tried with motor noise, with full and with halved guidance; what lasts longest
is written, centred on the walk that it leaves undisturbed if the walk is off the bands otherwise. Seeds are
fixed: the outcome is always the same.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from exostride.bench.learn_walking import Case
from exostride.bench.transparent_drive import TransparentDrive
from exostride.bench.treadmill_run import TreadmillRun, with_guidance
from exostride.bench.tune_walking import NOISE, PERIOD_S, read_plan, write_plan
from exostride.bench.walking import band_figures, leg_strides
from exostride.patient.fit.plan import SPEEDS
from exostride.patient.gait_plan import GaitPlan, PlanFile, make_plan
from exostride.patient.profiles import load_profile
from exostride.patient.step_balance import Decision
from exostride.patient.step_law import INPUTS, POINTS, STATES, StepLaw
from exostride.patient.virtual import VirtualPatient
from exostride.plant.config import load_plant_config
from exostride.plant.plant import Plant
from exostride.types import Vector

Array = NDArray[np.float64]
SPREAD: Final = np.array([0.03, 0.02, 0.010, 0.012, 0.010, 0.03, 0.03])
"""One unit of each input: the cost of an input counts in two of these."""
EXPLORATION: Final = 0.4
"""Standard deviation of the random inputs in these units."""
DECISIONS: Final = 900
CAUTION: Final = (2.0, 6.0)
"""Weights of the inputs against the states that are tried."""
_NOISE: Final = 0.02
_STRIDES: Final = 22
_SKIPPED, _DROPPED = 6, 4
"""Decisions left out at the start of a walk, before it is the walker's own, and before its end or fall."""
_RIDGE: Final = 1e-3
_TRIMMED: Final = 0.95
"""Part of the transitions kept: those that the map explains worst are stumbles, not steps."""
_LEG_WEIGHT: Final = 0.05
"""Weight of a joint's error against one of the pelvis."""
_SETTLINGS: Final = 4
_QUIET_STRIDES: Final = 14
_WHOLE: Final = 0.99
"""Part of a walk's strides from which on it was not cut short by a fall."""
_KNEE_OFFSETS: Final = (0.0, -0.015, -0.03)
_ENOUGH: Final = 90.0
"""Part of every curve inside the bands [%] with which no larger offset is tried."""
_TRIALS: Final = ((1.0, 1), (1.0, 2), (0.5, 1), (0.5, 2))
"""Walks that judge: guidance factor, seed."""


@dataclass(frozen=True)
class StepMap:
    """Maps between decisions: means and spreads per point, matrices to the point after."""

    mean: Array
    spread: Array
    a: Array
    b: Array

    def after_a_step(self, law: StepLaw | None) -> float:
        """Return the spectral radius of the map of a whole step."""
        whole = np.eye(STATES)
        for j in range(POINTS):
            whole = (self.a[j] if law is None else self.a[j] - self.b[j] @ law.gain[j]) @ whole
        return float(np.abs(np.linalg.eigvals(whole)).max())


def identify(walks: list[list[Decision]]) -> StepMap:
    """Return the map that explains the decisions of several walks best."""
    pairs = [pair for walk in walks for pair in pairwise(walk)]
    at = [[p for p in pairs if p[0].point == j] for j in range(POINTS)]
    states = [np.array([before.state for before, _ in group]) for group in at]
    mean = np.array([x.mean(axis=0) for x in states])
    spread = np.array([x.std(axis=0) + 1e-6 for x in states])
    a, b = np.zeros((POINTS, STATES, STATES)), np.zeros((POINTS, STATES, len(INPUTS)))
    for j, group in enumerate(at):
        k = (j + 1) % POINTS
        inputs = np.array([before.input for before, _ in group]) / SPREAD
        x = np.hstack([(states[j] - mean[j]) / spread[j], inputs, np.ones((len(group), 1))])
        y = (np.array([after.state for _, after in group]) - mean[k]) / spread[k]
        c = ridge(x, y)
        a[j] = c[:STATES].T * spread[k][:, None] / spread[j]
        b[j] = c[STATES:-1].T * spread[k][:, None] / SPREAD
    return StepMap(mean, spread, a, b)


def ridge(x: Array, y: Array) -> Array:
    """Return ``c`` of y = x c by ridge regression, without the rows that it explains worst."""
    kept = np.ones(len(x), dtype=bool)
    for _ in range(2):
        square = x[kept].T @ x[kept] + _RIDGE * kept.sum() * np.eye(x.shape[1])
        c = np.linalg.solve(square, x[kept].T @ y[kept])
        error = ((y - x @ c) ** 2).mean(axis=1)
        kept = error < np.quantile(error, _TRIMMED)
    return np.asarray(c)


def regulator(steps: StepMap, caution: float) -> StepLaw:
    """Return the law of least cost for a map, by iterating the periodic Riccati equation to its end."""
    weight = np.concatenate([np.ones(12), np.full(16, _LEG_WEIGHT)])
    states = [np.diag(weight / spread**2) for spread in steps.spread]
    inputs = caution * np.diag(1.0 / (2.0 * SPREAD) ** 2)
    gain, cost = np.zeros((POINTS, len(INPUTS), STATES)), states[0]
    for _ in range(500):
        before = cost
        for j in reversed(range(POINTS)):
            a, b = steps.a[j], steps.b[j]
            gain[j] = np.linalg.solve(inputs + b.T @ cost @ b, b.T @ cost @ a)
            cost = states[j] + a.T @ cost @ (a - b @ gain[j])
            cost = 0.5 * (cost + cost.T)
        if np.abs(cost - before).max() < 1e-9 * np.abs(cost).max():
            break
    return StepLaw(steps.mean, gain)


class Practice:
    """Walks of one case, with any law."""

    def __init__(self, case: Case, plans: tuple[GaitPlan, GaitPlan], guidance: float, noise: float) -> None:
        profile = load_profile("unimpaired").model_copy(update={"motor_noise": noise})
        self.case = case
        self.patient = VirtualPatient(profile, plans[0], PERIOD_S, 0, plans[1])
        self.plan = plans[case.robot == "exoskeleton"]
        self.plant = Plant(
            with_guidance(load_plant_config(), guidance), profile.body, self.patient, case.robot
        )
        self.drive = TransparentDrive(profile.body, PERIOD_S) if case.robot == "exoskeleton" else None
        froude = case.speed_m_s / self.patient.froude_m_s
        self.index = int(np.argmin(np.abs(self.plan.froude - froude)))
        self.stride_s = self.plan.stride_time_s((self.index, 0.0), self.patient.leg_m)

    def walk(self, law: StepLaw | None, seed: int, strides: float, phase: float) -> float:
        """Walk from a phase of the gait; return the part of the strides that the patient stayed up."""
        self.patient.seed(seed)
        self.plant.reset()
        self.patient.steps.follow(law)
        run = TreadmillRun(self.plant, self.patient, slip=False)
        if self.drive is not None:
            run.drive_with(self.drive)
        run.start_in_gait(self.case.speed_m_s, phase)
        seconds = strides * self.stride_s
        run.run(seconds, self.case.speed_m_s, unloading_percent=self.case.unloading_percent)
        self._run = run
        return self.plant.time_s / seconds

    def inside(self, law: StepLaw) -> float:
        """Return the least part [%] of any joint's mean curve inside any table's band; 0 after a fall."""
        if self.walk(law, 0, _QUIET_STRIDES, 0.0) < _WHOLE:
            return 0.0
        mass = self.patient.profile.body.mass_kg
        strides = leg_strides(self._run.walk(), 0, mass, 4.0 * self.stride_s)
        if len(strides) < 2:
            return 0.0
        tables = band_figures(strides, self.case.speed_m_s / self.patient.froude_m_s).values()
        return float(min(v for t in tables for k, v in t.items() if not k.startswith("vertical")))


def gather(case: Case, plans: tuple[GaitPlan, GaitPlan], decisions: int) -> list[list[Decision]]:
    """Return the decisions of walks with random inputs, at least ``decisions`` of them."""
    practice = Practice(case, plans, 1.0, _NOISE)
    walks: list[list[Decision]] = []
    seed = 500
    while sum(map(len, walks)) < decisions:
        random = np.random.default_rng([seed, 99])

        def explore(random: np.random.Generator = random) -> Vector:
            return np.asarray(EXPLORATION * SPREAD * random.standard_normal(len(INPUTS)))

        practice.patient.steps.explore = explore
        practice.walk(None, seed, _STRIDES, (0.1 + 0.37 * seed) % 1.0)
        made = practice.patient.steps.decisions[_SKIPPED:-_DROPPED]
        walks += [made] if len(made) > 1 else []
        seed += 1
    return walks


def shifted(law: StepLaw, offset: Array) -> StepLaw:
    """Return the law that asks for ``offset`` (POINTS, inputs) more in every state."""
    shift = [np.linalg.pinv(gain) @ extra for gain, extra in zip(law.gain, offset, strict=True)]
    return StepLaw(law.mean + np.array(shift), law.gain)


def settle(practice: Practice, law: StepLaw, offset: Array) -> StepLaw:
    """Return the law about the mean of undisturbed walks that follow it and ``offset``.

    The mean of walks with random inputs is not that of quiet ones; about it the law would hold the gait off
    what the plan means.
    """
    for _ in range(_SETTLINGS):
        if practice.walk(shifted(law, offset), 0, _QUIET_STRIDES, 0.0) < _WHOLE:
            break
        made = practice.patient.steps.decisions[_SKIPPED:-_DROPPED]
        mean = [np.mean([d.state for d in made if d.point == j], axis=0) for j in range(POINTS)]
        law = StepLaw(np.array(mean), law.gain)
    return law


def aim(case: Case, plans: tuple[GaitPlan, GaitPlan], law: StepLaw) -> StepLaw:
    """Return a law that keeps the walk in the bands.

    It is the law itself, or the law settled, with the smallest offset of the swing knee that suffices.
    """
    practice = Practice(case, plans, 1.0, 0.0)
    practice.patient.steps.explore = lambda: np.zeros(len(INPUTS))
    best, kept = practice.inside(law), law
    if best >= _ENOUGH:
        return law
    for late in _KNEE_OFFSETS:
        offset = np.zeros((POINTS, len(INPUTS)))
        offset[-1, INPUTS.index("swing_knee")] = late
        law = settle(practice, law, offset)
        inside = practice.inside(shifted(law, offset))
        print(f"  knee {late:+.2f} rad late in swing: {inside:.0f} % in band at least", flush=True)
        if inside > best:
            best, kept = inside, shifted(law, offset)
        if inside >= _ENOUGH:
            break
    return kept


def learn(case: Case, plans: tuple[GaitPlan, GaitPlan], decisions: int) -> StepLaw:
    """Return the best law found for a case, and print what was tried."""
    walks = gather(case, plans, decisions)
    steps = identify(walks)
    print(
        f"{case.robot} {case.speed_m_s} m/s: {len(walks)} walks, {sum(map(len, walks))} decisions; "
        f"a step's error grows by {steps.after_a_step(None):.2f}",
        flush=True,
    )
    best, kept = -1.0, StepLaw(steps.mean, np.zeros((POINTS, len(INPUTS), STATES)))
    for caution in CAUTION:
        law = regulator(steps, caution)
        lasted = [
            Practice(case, plans, guidance, NOISE).walk(law, seed, _STRIDES, 0.0)
            for guidance, seed in _TRIALS
        ]
        told = ", ".join(f"{100.0 * x:.0f}" for x in lasted)
        grows = steps.after_a_step(law)
        print(f"  caution {caution:g}: by {grows:.2f}; up for {told} % of {_STRIDES} strides", flush=True)
        if sum(lasted) > best + 0.01:
            best, kept = sum(lasted), law
    return aim(case, plans, kept)


def entry(law: StepLaw) -> dict[str, Any]:
    """Return a law as it stands in a plan file."""
    return {
        "mean": [[round(float(x), 5) for x in row] for row in law.mean],
        "gain": [[[round(float(x), 4) for x in row] for row in point] for point in law.gain],
    }


def main(arguments: list[str] | None = None) -> None:
    """Read the options and learn."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plan", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--speeds", type=float, nargs="*", help="m/s; default: all of the plan")
    parser.add_argument("--decisions", type=int, default=DECISIONS)
    parser.add_argument(
        "--robots", nargs="+", choices=("none", "exoskeleton"), default=["none", "exoskeleton"]
    )
    o = parser.parse_args(arguments)
    content = read_plan(o.plan)
    raw = PlanFile.model_validate(content)
    plans = (make_plan(raw, o.plan, robot=False), make_plan(raw, o.plan, robot=True))
    order = sorted(content["speeds"], key=lambda item: item["froude_speed"])
    for robot in o.robots:
        for speed, unloading, _ in SPEEDS:
            if o.speeds is None or speed in o.speeds:
                case = Case(speed, 100.0 * unloading, robot)
                index = Practice(case, plans, 1.0, 0.0).index
                item = order[index] if robot == "none" else order[index]["in_robot"]
                item["step_balance"] = entry(learn(case, plans, o.decisions))
                write_plan(content, o.out)


if __name__ == "__main__":
    main()
