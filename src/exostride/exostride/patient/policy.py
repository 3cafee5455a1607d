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

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from exostride.compiled import In1, In2, compiled
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
_SIDE_LIMIT: Final = 0.2
_HIP_LIMIT: Final = 0.3
"""Largest correction of swing abduction and of swing hip flexion [rad]."""
_STIFF_STANCE: Final = OFFSETS["stiffness_stance"]
_STIFF_SWING: Final = OFFSETS["stiffness_swing"]
_DAMP_STANCE: Final = OFFSETS["damping_stance"]
_DAMP_SWING: Final = OFFSETS["damping_swing"]
_FEEDBACK: Final = OFFSETS["load_feedback"]
_LATE: Final = OFFSETS["ankle_late_stiffening"]
_PITCH: Final = OFFSETS["trunk_pitch"]
_LEAN: Final = OFFSETS["lean"]
_DRIFT: Final = OFFSETS["ankle_drift"]
_UPRIGHT: Final = OFFSETS["swing_upright"]
_FORWARD: Final = OFFSETS["placement_forward"]
_SIDEWAYS: Final = OFFSETS["placement_sideways"]
_LIFT: Final = OFFSETS["knee_lift"]
_ANGLE, _ANGLE_RATE, _FREE, _FREE_RATE, _LOAD, _LOAD_RATE = (
    part.start for part in (ANGLE, ANGLE_RATE, FREE, FREE_RATE, LOAD, LOAD_RATE)
)


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


@compiled
def _drive(
    rows: In2,
    phase: In1,
    phase_rate: float,
    g: In1,
    loading: float,
    load: In1,
    pitch: float,
    roll: float,
    pitch_rate: float,
    roll_rate: float,
    forward: float,
    sideways: float,
    forward_velocity: float,
    sideways_velocity: float,
    height: float,
) -> NDArray[np.float64]:
    """Return what :class:`Drive` holds, in its order, shape (7, 2, 4); errors as in :class:`Posture`."""
    out = np.zeros((7, 2, 4))
    model, model_rate, balance, stiffness, damping, angle, rate = out
    total = max(load[0] + load[1], 1e-3)
    trunk = -(g[_PITCH] * (pitch + g[_LEAN] * forward) + g[_PITCH + 1] * pitch_rate) / total
    lean = (g[_PITCH + 2] * roll + g[_PITCH + 3] * roll_rate) / total
    drift = g[_DRIFT] * forward + g[_DRIFT + 1] * forward_velocity
    hip = g[_UPRIGHT] * pitch + g[_FORWARD] * forward + g[_FORWARD + 1] * forward_velocity
    hip = min(max(hip, -_HIP_LIMIT), _HIP_LIMIT)
    side = g[_SIDEWAYS] * sideways + g[_SIDEWAYS + 1] * sideways_velocity - g[_UPRIGHT + 1] * roll
    side = min(max(side, -_SIDE_LIMIT), _SIDE_LIMIT)
    lift = g[_LIFT] * min(max(-height, -0.02), 0.05)
    for leg in range(2):
        felt, sign = load[leg], 1.0 - 2.0 * leg
        stance = min(felt / STANCE_LOAD, 1.0)
        planned, excess = loading * rows[leg, FORCE], 0.0
        if planned > 0.02:
            ratio = min(felt / max(planned, 0.15), 1.4) - 1.0
            excess = ratio * min(planned / 0.15, 1.0)
        for i in range(4):
            k, d = g[_STIFF_SWING + i], g[_DAMP_SWING + i]
            stiffness[leg, i] = k + stance * (g[_STIFF_STANCE + i] - k)
            damping[leg, i] = d + stance * (g[_DAMP_STANCE + i] - d)
            scale = loading + loading * excess * g[_FEEDBACK + i]
            row = rows[leg]
            model[leg, i] = row[_FREE + i] + row[_LOAD + i] * scale
            model_rate[leg, i] = (row[_FREE_RATE + i] + row[_LOAD_RATE + i] * scale) * phase_rate
            angle[leg, i] = row[_ANGLE + i]
            rate[leg, i] = row[_ANGLE_RATE + i] * phase_rate
        stiffness[leg, 3] *= 1.0 + g[_LATE] * math.exp(-(((phase[leg] - 0.45) * 10.0) ** 2))
        balance[leg, 0] = sign * felt * lean
        balance[leg, 1] = felt * trunk
        balance[leg, 3] = stance * drift
        swing = 1.0 - stance
        if swing > 0.0:
            angle[leg, 0] += swing * sign * side
            angle[leg, 1] += swing * hip
            angle[leg, 2] += swing * lift * math.exp(-(((phase[leg] - 0.78) * 10.0) ** 2))
    return out


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
        p = posture
        errors = (p.pitch, p.roll, p.pitch_rate, p.roll_rate, p.forward, p.sideways)
        return Drive(
            *_drive(
                *(rows, phase, phase_rate, gains, loading, p.load),
                *(*errors, p.forward_velocity, p.sideways_velocity, p.height),
            )
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
