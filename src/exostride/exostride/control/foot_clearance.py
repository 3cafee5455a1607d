r"""Help against foot drop: the foot is lifted when, and as far as, it would drag.

During swing the lowest point of the sole is predicted over the rest of the swing: the reference posture
ahead plus the leg's present deviation from it, which dies out with a time constant,

.. math:: \hat q(\varphi + \delta) = q_{ref}(\varphi + \delta) + (q - q_{ref}(\varphi))\,
          e^{-\delta / (f\,T_d)}

with the height of the pelvis as measured and the height of the loaded sole as zero, so that errors of
geometry and cuff cancel. Two torques lift, in dorsiflexion, knee flexion and hip flexion:

* a learned one over the swing, whose amplitude a rises by the clearance that was missing at the end of
  each swing and is forgotten otherwise, a' = f a + g max(c_t - c, 0) - g max(c - c_t - w, 0);
* a prompt one, in proportion to the clearance that the prediction lacks below the least one.

For the subtask see Koopman, van Asseldonk & van der Kooij, "Selective control of gait subtasks in robotic
gait training: foot clearance support in stroke survivors with a powered exoskeleton", J NeuroEng Rehabil
10:3 (2013); minimum toe clearance of able-bodied walking is 10-20 mm (Winter, Phys Ther 72:45, 1992).
"""

from __future__ import annotations

from math import sin
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from exostride.compiled import In1, In2, compiled
from exostride.config import StrictModel
from exostride.control.context import ControlContext
from exostride.control.kinematics import SagittalLeg, pelvis_roll_pitch
from exostride.control.path import ReferencePath
from exostride.control.tracking import Track
from exostride.conventions import N_JOINTS, side_slice
from exostride.types import Signal, Vector

_SAMPLES: Final = 50
_NEEDED: Final = int(Signal.PELVIS | Signal.FOOT_WRENCH)
_AHEAD: Final = np.array([0.0, 0.03, 0.06, 0.10, 0.15, 0.20])
"""Phases ahead at which the sole is predicted [cycle]."""
_LOADED_N: Final = 150.0
_UNLOADED_N: Final = 25.0
_DRAGGED_N: Final = 250.0
_ZERO_SHARE: Final = 0.02
_KNOWN: Final = 0.5
"""Hold on a leg from which its phase counts as known."""
_MID_SWING: Final = (0.25, 0.80)
"""Part of the swing over which the least clearance counts: before, the toe leaves; after, the heel lands."""


class FootLiftParameters(StrictModel):
    """Parameters of the help.

    ``target_m`` is the least clearance that is aimed for in mid-swing, ``slack_m`` how much more is left
    alone, ``least_m`` the clearance below which the prompt torque acts. ``torque_nm`` are the largest
    lifting torques of hip, knee and ankle (0: that joint does not lift). ``gain_per_m`` and ``forgetting``
    (per stride) belong to the learned amplitude; ``persistence_s`` is T_d.
    """

    enabled: bool = True
    target_m: float = Field(0.014, ge=0.0, le=0.03)
    slack_m: float = Field(0.004, ge=0.0, le=0.03)
    least_m: float = Field(0.008, ge=0.0, le=0.03)
    torque_nm: tuple[float, float, float] = (6.0, 10.0, 15.0)
    gain_per_m: float = Field(15.0, ge=0.0)
    forgetting: float = Field(0.97, gt=0.0, le=1.0)
    prompt_per_m: float = Field(40.0, ge=0.0)
    persistence_s: float = Field(0.25, gt=0.0)


@compiled
def _ahead(table: In2, phase: float, persistence: float, angle: In1) -> NDArray[np.float64]:
    """Return the predicted postures at the phases ahead, (6, 3); ``persistence`` is in cycles."""
    out = np.empty((_AHEAD.size, 3))
    here = int(phase * _SAMPLES) % _SAMPLES
    for n in range(_AHEAD.size):
        place = (phase + _AHEAD[n]) * _SAMPLES
        fade = np.exp((phase - place / _SAMPLES) / persistence)
        for i in range(3):
            out[n, i] = table[int(place) % _SAMPLES, i] + fade * (angle[i] - table[here, i])
    return out


class FootLift:
    """Lifting torque of both feet; see module."""

    def __init__(self, context: ControlContext, parameters: FootLiftParameters | None = None) -> None:
        self._p = parameters or FootLiftParameters()
        geometry = context.geometry
        self._leg = SagittalLeg(geometry)
        self._half = geometry.hip_half_spacing
        self._torque = np.array(self._p.torque_nm)
        self._version = -1
        self._table: list[NDArray[np.float64]] = []
        self.reset()

    def reset(self) -> None:
        """Forget amplitudes; the soles' zero is found anew."""
        self.level = [0.0, 0.0]
        self.clearance_m = [float("nan"), float("nan")]
        """Least clearance in mid-swing of each leg's last swing [m], as seen from the sensors."""
        self._least = [float("inf"), float("inf")]
        self._zero = [float("nan"), float("nan")]
        self._swings = [False, False]

    def step(self, track: Track, path: ReferencePath) -> tuple[Vector, Vector]:
        """Return the lifting torque [N m] and the level 0..1 that it stands for, each (6,)."""
        torque, shown = np.zeros(N_JOINTS), np.zeros(N_JOINTS)
        state = track.state
        height = float(state.pelvis_position_m[2])
        able = self._p.enabled and track.walking and (state.available & _NEEDED) == _NEEDED
        if not able or not np.isfinite(height) or not np.isfinite(state.foot_force_n).all():
            return torque, shown
        if path.version != self._version:
            self._version = path.version
            self._table = [path.table(side, _SAMPLES) for side in (0, 1)]
        roll, pitch = pelvis_roll_pitch(state)
        for side in (0, 1):
            hip = height + (1 - 2 * side) * self._half * sin(roll)
            lift = self._foot(side, track, path.curve.stance_fraction, hip, pitch)
            if lift > 0.0:
                part = side_slice(side)
                bound = track.settings.assistance_max[part]
                shown[part] = np.minimum(lift, bound)
                torque[part] = shown[part] * self._torque
        return torque, shown

    def _foot(self, side: int, track: Track, stance: float, hip: float, pitch: float) -> float:
        """Return the lift 0..1 of one foot."""
        part = side_slice(side)
        load = float(track.state.foot_force_n[3 * side + 2])
        phase = float(track.leg_phase[side])
        place = (phase - stance) / (1.0 - stance)
        # A foot that drags never unloads: in the middle of its swing it counts as swinging all the same.
        dragged = _MID_SWING[0] <= place <= _MID_SWING[1] and load < _DRAGGED_N
        if load > _UNLOADED_N and not dragged:
            if load > _LOADED_N and place < 0.0:
                self._set_zero(side, hip + float(self._leg.lowest(track.angle_rad[None, part], pitch)[0]))
            if self._swings[side]:
                self._end_swing(side, float(track.hold[part][0]) >= _KNOWN)
            # The lift must be there when the foot leaves the ground.
            return self.level[side] * _ramp((phase - stance + 0.10) / 0.10) if phase < 0.9 else 0.0
        self._swings[side] = True
        swing = (phase - stance) / (1.0 - stance)
        if swing < 0.0 or np.isnan(self._zero[side]):
            return self.level[side] * _ramp((phase - stance + 0.10) / 0.10)
        now, ahead = self._predict(side, track, stance, hip, pitch)
        if _MID_SWING[0] <= swing <= _MID_SWING[1]:
            self._least[side] = min(self._least[side], now)
        window = _ramp((1.0 - swing) / 0.2)
        prompt = self._p.prompt_per_m * max(self._p.least_m - ahead, 0.0)
        return min(self.level[side] + prompt, 1.0) * window

    def _set_zero(self, side: int, seen: float) -> None:
        old = self._zero[side]
        self._zero[side] = seen if np.isnan(old) else old + _ZERO_SHARE * (seen - old)

    def _predict(
        self, side: int, track: Track, stance: float, hip: float, pitch: float
    ) -> tuple[float, float]:
        """Return the clearance now and the least one predicted over the rest of mid-swing [m]."""
        part = side_slice(side)
        phase = float(track.leg_phase[side])
        rate = max(float(track.leg_rate_hz[side]), 0.2)
        posture = _ahead(self._table[side], phase, rate * self._p.persistence_s, track.angle_rad[part])
        clearance = hip + self._leg.lowest(posture, pitch) - self._zero[side]
        # A foot is low when it leaves the ground and when it lands; only between does low mean dragging.
        swing = (phase + _AHEAD - stance) / (1.0 - stance)
        middle = clearance[(swing >= _MID_SWING[0]) & (swing <= _MID_SWING[1])]
        return float(clearance[0]), float(middle.min()) if len(middle) else float("inf")

    def _end_swing(self, side: int, known: bool) -> None:
        seen, p = self._least[side], self._p
        self._swings[side], self._least[side] = False, float("inf")
        # A swing whose phase was not known had its middle somewhere else.
        if seen == float("inf") or not known:
            return
        self.clearance_m[side] = seen
        change = p.gain_per_m * (max(p.target_m - seen, 0.0) - max(seen - p.target_m - p.slack_m, 0.0))
        level = self.level[side]
        forgotten = level if seen < p.target_m else p.forgetting * level
        self.level[side] = min(max(forgotten + change, 0.0), 1.0)


def _ramp(x: float) -> float:
    """Return x kept in [0, 1]."""
    return min(max(x, 0.0), 1.0)
