r"""The patient's learned internal model of walking: a consistent gait and its torques over phase and speed.

A plan is found once, offline (:mod:`exostride.patient.fit.plan`): a periodic motion of the whole body inside
the published bands, whose stance feet stand still on the belt and whose ground reaction lies under the feet,
with the joint torques that inverse dynamics gives it. It is stored without dimension, so that it scales with
the body: lengths by leg length :math:`\ell`, torques by :math:`m g \ell`, forces by :math:`m g`, times by
:math:`\sqrt{\ell / g}`, speeds by Froude; between the stored speeds it is interpolated.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from exostride.compiled import In2, Out2, compiled
from exostride.config import StrictModel, load
from exostride.conventions import GRAVITY_M_S2
from exostride.errors import ConfigError
from exostride.gait.reference import derivative, fourier_matrix
from exostride.patient.step_law import StepGains, StepLaw, make_law
from exostride.types import Vector

FILE_NAME: Final = "gait_plan.yaml"
LEG: Final = ("abduction", "hip", "knee", "ankle")
"""Order of the driven joints of one leg."""
ROOT: Final = ("pitch", "roll", "x", "y", "z")
"""Pelvis coordinates of a plan: pitch forward, roll to the right [rad], position [leg lengths]."""
SAMPLES: Final = 200

# Columns of a table: angle, its derivative by phase, torque without ground contact (and derivative),
# torque that carries the ground reaction (and derivative), vertical ground force; then the pelvis and its
# derivative.
ANGLE: Final = slice(0, 4)
ANGLE_RATE: Final = slice(4, 8)
FREE: Final = slice(8, 12)
FREE_RATE: Final = slice(12, 16)
LOAD: Final = slice(16, 20)
LOAD_RATE: Final = slice(20, 24)
FORCE: Final = 24
PELVIS: Final = slice(25, 30)
PELVIS_RATE: Final = slice(30, 35)
WIDTH: Final = 35

Positive = Annotated[float, Field(gt=0.0)]
Series = dict[str, list[float]]


class TorqueSet(StrictModel):
    """Torques, ground force and feedback of the same motion with the robot's legs on the patient's."""

    torque_free: Series
    torque_load: Series
    vertical_force: list[float]
    policy: dict[str, list[float]]
    step_balance: StepGains | None = None


class SpeedPlan(StrictModel):
    """One speed of the plan: Fourier coefficients (1, cos, sin, ...) over the phase of a leg.

    Pelvis coordinates run over the phase of the left leg. ``policy`` are the feedback gains, see
    :mod:`exostride.patient.policy`, ``step_balance`` the law from step to step, see
    :mod:`exostride.patient.step_balance`; without it there is none at this speed.
    """

    froude_speed: Positive
    stride_time: Positive
    stance_fraction: Annotated[float, Field(gt=0.4, lt=0.9)]
    angle_deg: Series
    torque_free: Series
    torque_load: Series
    vertical_force: list[float]
    in_robot: TorqueSet
    pelvis: Series
    policy: dict[str, list[float]]
    step_balance: StepGains | None = None


class PlanFile(StrictModel):
    """Schema of ``config/norms/gait_plan.yaml``."""

    made_by: tuple[str, ...]
    citations: tuple[str, ...]
    speeds: Annotated[tuple[SpeedPlan, ...], Field(min_length=1)]


def _table(plan: SpeedPlan, *, robot: bool) -> NDArray[np.float64]:
    phase = np.arange(SAMPLES) / SAMPLES

    def sample(series: Series, names: tuple[str, ...], scale: float) -> NDArray[np.float64]:
        coefficients = scale * np.array([series[n] for n in names])
        both = np.concatenate([coefficients, derivative(coefficients)])
        return np.asarray(fourier_matrix(phase, (coefficients.shape[1] - 1) // 2) @ both.T)

    torques = plan.in_robot if robot else plan
    force = np.array(torques.vertical_force)
    columns = [
        sample(plan.angle_deg, LEG, np.pi / 180.0),
        sample(torques.torque_free, LEG, 1.0),
        sample(torques.torque_load, LEG, 1.0),
        np.maximum(fourier_matrix(phase, (len(force) - 1) // 2) @ force, 0.0)[:, None],
        sample(plan.pelvis, ROOT, 1.0),
    ]
    return np.concatenate(columns, axis=1)


@dataclass(frozen=True, slots=True)
class GaitPlan:
    """Plans of all speeds as tables over the phase, shape (speeds, SAMPLES + 1, WIDTH), columns as above."""

    froude: Vector
    stride_time: Vector
    stance_fraction: Vector
    tables: NDArray[np.float64]
    policies: tuple[dict[str, list[float]], ...]
    steps: tuple[StepLaw | None, ...]

    def bracket(self, froude_speed: float) -> tuple[int, float]:
        """Return the stored speed below and the weight of the one above; held at both ends."""
        f = self.froude
        if len(f) == 1 or froude_speed <= f[0]:
            return 0, 0.0
        i = min(int(np.searchsorted(f, froude_speed)) - 1, len(f) - 2)
        return i, float(min((froude_speed - f[i]) / (f[i + 1] - f[i]), 1.0))

    def laws(self, place: tuple[int, float]) -> list[tuple[float, StepLaw]]:
        """Return weights and laws from step to step of the stored speeds around a speed."""
        i, w = place
        pairs = [(1.0 - w, self.steps[i])] + ([(w, self.steps[i + 1])] if w > 0.0 else [])
        return [(weight, law) for weight, law in pairs if law is not None]

    def table(self, place: tuple[int, float]) -> NDArray[np.float64]:
        """Return the table at one speed, shape (SAMPLES + 1, WIDTH)."""
        i, w = place
        return np.asarray(self.tables[i] if w == 0.0 else (1.0 - w) * self.tables[i] + w * self.tables[i + 1])

    def rows(self, place: tuple[int, float], left: float, right: float) -> NDArray[np.float64]:
        """Return the table's rows at the phases of both legs, shape (2, WIDTH)."""
        i, w = place
        a, b = (left % 1.0) * SAMPLES, (right % 1.0) * SAMPLES
        ia, ib = int(a), int(b)
        u = np.array([[a - ia], [b - ib]])
        k, k1 = [ia, ib], [ia + 1, ib + 1]
        low = self.tables[i]
        out = low[k] * (1.0 - u) + low[k1] * u
        if w > 0.0:
            high = self.tables[i + 1]
            out = out * (1.0 - w) + (high[k] * (1.0 - u) + high[k1] * u) * w
        return np.asarray(out)

    def stride_time_s(self, place: tuple[int, float], leg_length_m: float) -> float:
        """Return the duration of a stride [s]."""
        i, w = place
        t = self.stride_time[i] if w == 0.0 else (1.0 - w) * self.stride_time[i] + w * self.stride_time[i + 1]
        return float(t) * float(np.sqrt(leg_length_m / GRAVITY_M_S2))


@compiled
def _interpolate(table: In2, left: float, right: float, out: Out2) -> None:
    """Write a table's rows at the phases of both legs into ``out``, shape (2, WIDTH)."""
    for leg in range(2):
        x = ((left if leg == 0 else right) % 1.0) * SAMPLES
        k = int(x)
        u = x - k
        for i in range(WIDTH):
            out[leg, i] = table[k, i] * (1.0 - u) + u * table[k + 1, i]


class PlanCursor:
    """Reads a plan tick by tick; keeps the table of a speed as long as the speed stays."""

    def __init__(self, plan: GaitPlan) -> None:
        self._plan = plan
        self._place: tuple[int, float] | None = None
        self._table: NDArray[np.float64] | None = None
        self._out = np.empty((2, WIDTH))

    def rows(self, place: tuple[int, float], left: float, right: float) -> NDArray[np.float64]:
        """Return the rows at both phases as :meth:`GaitPlan.rows`; valid until the next call."""
        if place != self._place:
            self._place, self._table = place, None
            return self._plan.rows(place, left, right)
        if self._table is None:
            self._table = self._plan.table(place)
        _interpolate(self._table, left, right, self._out)
        return self._out


def load_plan(path: Path, *, robot: bool = False) -> GaitPlan:
    """Read a plan file; ``robot`` takes torques and feedback learned for walking in the exoskeleton.

    Raises
    ------
    ConfigError
        The file is missing or damaged, or a speed lacks a series.
    """
    return make_plan(load(PlanFile, path), path, robot=robot)


def load_plans(path: Path) -> tuple[GaitPlan, GaitPlan]:
    """Read a plan file once for both: walking alone, and in the exoskeleton; errors as :func:`load_plan`."""
    raw = load(PlanFile, path)
    return make_plan(raw, path, robot=False), make_plan(raw, path, robot=True)


def make_plan(raw: PlanFile, path: Path, *, robot: bool) -> GaitPlan:
    """Return the tables of a plan file; ``path`` names it in an error."""
    speeds = sorted(raw.speeds, key=lambda s: s.froude_speed)
    try:
        tables = np.array([_table(s, robot=robot) for s in speeds])
    except (KeyError, ValueError) as error:
        raise ConfigError(f"{path}: a speed lacks a joint or has rows of unequal length ({error})") from None
    entries = [s.in_robot.step_balance if robot else s.step_balance for s in speeds]
    return GaitPlan(
        froude=np.array([s.froude_speed for s in speeds]),
        stride_time=np.array([s.stride_time for s in speeds]),
        stance_fraction=np.array([s.stance_fraction for s in speeds]),
        tables=np.concatenate([tables, tables[:, :1]], axis=1),
        policies=tuple(s.in_robot.policy if robot else s.policy for s in speeds),
        steps=tuple(None if e is None else make_law(e, str(path)) for e in entries),
    )
