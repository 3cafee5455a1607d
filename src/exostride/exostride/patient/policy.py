r"""Feedback of the walking patient: what holds the learned gait against disturbances.

Every joint gets the torque of the internal model, a moderate stiffness and damping about its motion (higher
while the leg bears load, as muscles are co-contracted then), and a few balance reflexes:

* the stance hip holds the trunk's pitch, the stance abductors its roll (the rule of SIMBICON, Yin, Loken &
  van de Panne 2007, ACM TOG 26:105, and Geyer & Herr 2010, IEEE TNSRE 18:263);
* the swing leg is placed by the drift of the pelvis (capture point: Hof 2008, Hum Mov Sci 27:112);
* torque that carries load grows and falls with the load felt (positive force feedback, Geyer, Seyfarth &
  Blickhan 2003, Proc R Soc B 270:2173);
* the rhythm is set right by heel strikes (phase resetting, Yamasaki, Nomura & Sato 2003, Biol Cybern 88:468).

Gains are dimensionless: stiffness by :math:`m g \ell`, damping by :math:`m g \ell \sqrt{\ell / g}`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from exostride.errors import ConfigError
from exostride.patient.gait_plan import (
    ANGLE,
    ANGLE_RATE,
    FORCE,
    FREE,
    FREE_RATE,
    LOAD,
    LOAD_RATE,
    PELVIS,
    PELVIS_RATE,
    GaitPlan,
)
from exostride.types import Vector

FIELDS: Final = {
    "stiffness_stance": 4,
    "stiffness_swing": 4,
    "damping_stance": 4,
    "damping_swing": 4,
    "load_feedback": 4,
    "trunk_pitch": 2,
    "trunk_roll": 2,
    "phase_reset": 1,
    "swing_upright": 2,
    "placement_forward": 2,
    "placement_sideways": 2,
    "lean": 1,
    "ankle_drift": 2,
    "ankle_late_stiffening": 1,
    "knee_lift": 1,
}
"""Names and lengths of a policy's gains, in the order of the flat vector.

``trunk_*``: on angle and rate. ``swing_upright``: how far swing hip and abductor make up for pitch and roll.
``placement_*``: swing angle by pelvis displacement [rad per leg length] and velocity error [rad per Froude].
``lean``: trunk pitch by displacement [rad per leg length]. ``ankle_drift``: stance ankle torque by
displacement and velocity. ``knee_lift``: swing knee flexion by loss of pelvis height [rad per leg length].
"""

OFFSETS: Final = dict(zip(FIELDS, np.cumsum([0, *FIELDS.values()])[:-1].tolist(), strict=True))
SIZE: Final = sum(FIELDS.values())

STANCE_LOAD: Final = 0.4
"""Load, as a part of body weight, at which a leg has its full stance stiffness."""
_PLACEMENT_LIMIT: Final = np.array([0.2, 0.3])
"""Largest correction of swing abduction and hip flexion [rad]."""
_SIDE: Final = np.array([1.0, -1.0])


def pack(policy: dict[str, list[float]], where: str) -> Vector:
    """Return the flat vector of a policy.

    Raises
    ------
    ConfigError
        A gain is missing, unknown, or has the wrong number of values.
    """
    if set(policy) != set(FIELDS):
        raise ConfigError(f"{where}: policy needs exactly {', '.join(FIELDS)}")
    for name, length in FIELDS.items():
        if len(policy[name]) != length:
            raise ConfigError(f"{where}: policy.{name}: needs {length} values, has {len(policy[name])}")
    return np.concatenate([np.asarray(policy[name], dtype=float) for name in FIELDS])


def unpack(flat: Vector) -> dict[str, list[float]]:
    """Return the named gains of a flat vector, rounded for a file."""
    return {n: [round(float(x), 6) for x in flat[OFFSETS[n] : OFFSETS[n] + k]] for n, k in FIELDS.items()}


@dataclass(slots=True)
class Posture:
    """What balance needs to know, without dimension: pelvis and loads against the plan's gait.

    Errors are measured minus planned: pitch and roll [rad] and rates [rad per sqrt(l/g)], displacement
    [leg lengths] and velocity [Froude] forward and to the left, height; ``load`` per leg in body weights.
    """

    pitch: float
    roll: float
    pitch_rate: float
    roll_rate: float
    forward: float
    sideways: float
    forward_velocity: float
    sideways_velocity: float
    height: float
    load: Vector


@dataclass(slots=True)
class Drive:
    """Dimensionless set over (legs, joints of a leg): shape (2, 4) each.

    ``model`` is the internal model's torque and ``model_rate`` its derivative by time; ``balance`` the torque
    of balance reflexes.
    """

    model: NDArray[np.float64]
    model_rate: NDArray[np.float64]
    balance: NDArray[np.float64]
    stiffness: NDArray[np.float64]
    damping: NDArray[np.float64]
    angle: NDArray[np.float64]
    rate: NDArray[np.float64]


class WalkingPolicy:
    """The feedback law at any speed of a plan."""

    def __init__(self, plan: GaitPlan, where: str = "gait plan") -> None:
        self.plan = plan
        self._gains = np.array([pack(p, where) for p in plan.policies])

    def set_gains(self, flat: Vector) -> None:
        """Take one flat vector of gains for all speeds."""
        self._gains[:] = flat

    def gains(self, place: tuple[int, float]) -> Vector:
        """Return the gains at a speed (see :meth:`GaitPlan.bracket`)."""
        i, w = place
        if w == 0.0:
            return np.asarray(self._gains[i])
        return np.asarray((1.0 - w) * self._gains[i] + w * self._gains[i + 1])

    def drive(
        self,
        rows: NDArray[np.float64],
        phase: Vector,
        phase_rate: float,
        posture: Posture,
        gains: Vector,
        loading: float,
    ) -> Drive:
        """Return torque, stiffness, damping and motion of both legs.

        ``rows`` are the plan's rows at both phases, ``phase_rate`` cycles per sqrt(l/g), ``loading`` the part
        of the body weight that the legs carry (1 without body-weight support).
        """
        p, load = posture, posture.load
        g = gains.tolist()
        stance = np.minimum(load * (1.0 / STANCE_LOAD), 1.0)
        swing = 1.0 - stance
        s, w = stance[:, None], swing[:, None]
        stiffness = s * gains[0:4] + w * gains[4:8]
        damping = s * gains[8:12] + w * gains[12:16]
        late = np.exp(-(((phase - 0.45) * 10.0) ** 2))
        stiffness[:, 3] *= 1.0 + g[OFFSETS["ankle_late_stiffening"]] * late
        planned = loading * rows[:, FORCE]
        ratio = np.where(planned > 0.02, np.minimum(load / np.maximum(planned, 0.15), 1.4), 1.0) - 1.0
        scale = loading * (1.0 + gains[16:20] * (ratio * np.minimum(planned / 0.15, 1.0))[:, None])
        free, carry = rows[:, FREE], rows[:, LOAD]
        model = free + carry * scale
        model_rate = (rows[:, FREE_RATE] + rows[:, LOAD_RATE] * scale) * phase_rate
        angle = rows[:, ANGLE].copy()
        self._place_swing(angle, swing, phase, p, g)
        balance = np.zeros((2, 4))
        share = load / max(float(load[0] + load[1]), 1e-3)
        k = OFFSETS["trunk_pitch"]
        lean = g[OFFSETS["lean"]] * p.forward
        balance[:, 1] = -share * (g[k] * (p.pitch + lean) + g[k + 1] * p.pitch_rate)
        balance[:, 0] = _SIDE * share * (g[k + 2] * p.roll + g[k + 3] * p.roll_rate)
        k = OFFSETS["ankle_drift"]
        balance[:, 3] = stance * (g[k] * p.forward + g[k + 1] * p.forward_velocity)
        return Drive(model, model_rate, balance, stiffness, damping, angle, rows[:, ANGLE_RATE] * phase_rate)

    @staticmethod
    def _place_swing(
        angle: NDArray[np.float64], swing: Vector, phase: Vector, p: Posture, g: list[float]
    ) -> None:
        k = OFFSETS["swing_upright"]
        forward = OFFSETS["placement_forward"]
        sideways = OFFSETS["placement_sideways"]
        hip = g[k] * p.pitch + g[forward] * p.forward + g[forward + 1] * p.forward_velocity
        side = g[sideways] * p.sideways + g[sideways + 1] * p.sideways_velocity - g[k + 1] * p.roll
        angle[:, 1] += swing * min(max(hip, -_PLACEMENT_LIMIT[1]), _PLACEMENT_LIMIT[1])
        angle[:, 0] += swing * _SIDE * min(max(side, -_PLACEMENT_LIMIT[0]), _PLACEMENT_LIMIT[0])
        lift = g[OFFSETS["knee_lift"]]
        if lift != 0.0:
            angle[:, 2] += (
                swing * lift * min(max(-p.height, -0.02), 0.05) * np.exp(-(((phase - 0.78) * 10.0) ** 2))
            )


__all__ = [
    "FIELDS",
    "OFFSETS",
    "PELVIS",
    "PELVIS_RATE",
    "SIZE",
    "Drive",
    "Posture",
    "WalkingPolicy",
    "pack",
    "unpack",
]
