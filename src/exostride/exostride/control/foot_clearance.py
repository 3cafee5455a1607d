r"""Help against foot drop: the foot is lifted when, and as far as, it would drag.

During swing the clearance of the sole is predicted over the rest of the swing: the reference posture
ahead plus the patient's present deviation from it, which dies out with a time constant,

.. math:: \hat q(\varphi + \delta) = q_{ref}(\varphi + \delta) + (q - q_{ref}(\varphi))\,
          e^{-\delta / (f\,T_d)}

where posture and clearance are those of the patient in the cuffs (:mod:`exostride.control.foot_height`). The
foot is lifted by a force at the lowest point of its sole, upwards, as far as flexion of hip and knee and
dorsiflexion bring it there,

.. math:: \tau_j = \min(a F \max(\partial h / \partial q_j, 0), \tau_{j,max})

(Pratt et al., "Virtual model control: an intuitive approach for bipedal locomotion", Int J Robot Res 20:129,
2001): toes that hang are lifted by the ankle, a foot behind the knee by the knee, and a heel by no ankle. Its
size a is the sum of

* a learned part, which knows how much each part of the swing needs (:mod:`exostride.control.lift_profile`);
* a prompt part, in proportion to the clearance that the prediction lacks below the least one.

How high is enough, c_t, the other leg shows as long as it lifts itself: a foot that stays behind its
fellow by more than people's feet differ is helped to the same height. Never less than a least and never more
than a largest height is aimed for. That a sound leg sets the aim of the other is after Vallery, van
Asseldonk, Buss & van der Kooij, "Reference trajectory generation for rehabilitation robots: complementary
limb motion estimation", IEEE TNSRE 17:23 (2009); for the subtask see Koopman, van Asseldonk & van der Kooij,
"Selective control of gait subtasks in robotic gait training: foot clearance support in stroke survivors with
a powered exoskeleton", J NeuroEng Rehabil 10:3 (2013); minimum toe clearance of able-bodied walking is
10-20 mm (Winter, Phys Ther 72:45, 1992).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from exostride.compiled import In1, In2, compiled
from exostride.config import StrictModel
from exostride.control.context import ControlContext
from exostride.control.cuffs import CuffParameters
from exostride.control.foot_height import FootHeights
from exostride.control.lift_profile import LiftProfile
from exostride.control.path import ReferencePath
from exostride.control.tracking import Track
from exostride.conventions import GRAVITY_M_S2, N_JOINTS, SIDES, side_slice
from exostride.types import Vector

_CALM_S: Final = 0.03
"""Time over which the patient's place in the robot is averaged: cuffs shake after every impact."""
_MOST_RAD: Final = 0.25
"""Whoever seems to lie further than this from the robot's joint has a cuff sensor that is wrong."""
_SAMPLES: Final = 50
_AHEAD: Final = np.array([0.0, 0.03, 0.06, 0.10, 0.15, 0.20])
"""Phases ahead at which the sole is predicted [cycle]."""
_LOADED: Final = 0.20
_UNLOADED: Final = 0.035
_DRAGGED: Final = 0.35
"""Parts of the body's weight on a foot from which it stands, below which it swings, and below which it may
drag in the middle of its swing."""
_ITSELF: Final = 0.05
"""Level of help up to which a foot's clearance is its own."""
_SEEN_SHARE: Final = 0.3
"""Share of the newest swing in what a foot's own clearance is taken to be."""
_KNOWN: Final = 0.5
"""Hold on a leg from which its phase counts as known."""
_SHORTEST: Final = 0.15
"""Least part of a stride that a swing takes."""
_OVERDUE: Final = 0.5
"""Part of the stance at which a foot that is still in the air is in no swing of this step."""
_MID_SWING: Final = (0.25, 0.70)
"""Part of the swing over which the least clearance counts: before, the toe leaves; after, the foot comes
down, and no lift is asked to keep it from that."""


class FootLiftParameters(StrictModel):
    """Parameters of the help.

    ``target_m`` is the least clearance that is aimed for in mid-swing, ``highest_m`` the largest; between
    them the other foot's own clearance is, once a foot stays ``behind_m`` behind it. ``slack_m`` is how much
    more is left alone, ``least_m`` the clearance below which the prompt torque acts. ``force_n`` is F at
    level 1, ``torque_nm`` are the largest lifting torques of hip, knee and ankle (0: that joint does not
    lift). ``gain_per_m`` and ``forgetting`` (per stride) belong to the learned part, ``persistence_s`` is
    T_d. ``pressed_m`` is how far a sole gives under its load; ``cuffs`` are the machine's.
    """

    enabled: bool = True
    target_m: float = Field(0.015, ge=0.0, le=0.03)
    highest_m: float = Field(0.025, ge=0.0, le=0.03)
    behind_m: float = Field(0.004, ge=0.0, le=0.03)
    slack_m: float = Field(0.003, ge=0.0, le=0.03)
    least_m: float = Field(0.008, ge=0.0, le=0.03)
    torque_nm: tuple[float, float, float] = (6.0, 10.0, 15.0)
    force_n: float = Field(80.0, ge=0.0)
    gain_per_m: float = Field(20.0, ge=0.0)
    forgetting: float = Field(0.95, gt=0.0, le=1.0)
    prompt_per_m: float = Field(40.0, ge=0.0)
    persistence_s: float = Field(0.25, gt=0.0)
    pressed_m: float = Field(0.008, ge=0.0, le=0.03)
    cuffs: CuffParameters = CuffParameters()


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


@compiled
def _least(clearance: In1, phase: float, stance: float) -> float:
    """Return the least of the clearances at the phases ahead that lie in mid-swing.

    A foot is low when it leaves the ground and when it lands; only between does low mean dragging.
    """
    least = np.inf
    for n in range(_AHEAD.size):
        swing = (phase + _AHEAD[n] - stance) / (1.0 - stance)
        if _MID_SWING[0] <= swing <= _MID_SWING[1]:
            least = min(least, clearance[n])
    return least


@compiled
def _calmed(before: In1, worn: In1, share: float) -> Vector:
    """Return an average of how a leg lies in the robot's, as far as a cuff can give."""
    out = np.empty(worn.size)
    for i in range(out.size):
        out[i] = before[i] + share * (min(max(worn[i], -_MOST_RAD), _MOST_RAD) - before[i])
    return out


@compiled
def _shares(pull: In1, largest: In1, bound: In1) -> Vector:
    """Return torques as shares of the largest ones; what would push the foot down, or is too much, is not."""
    out = np.zeros(pull.size)
    for i in range(out.size):
        if largest[i] > 0.0:
            out[i] = min(max(pull[i] / largest[i], 0.0), bound[i])
    return out


class FootLift:
    """Lifting torque of both feet; see module."""

    def __init__(self, context: ControlContext, parameters: FootLiftParameters | None = None) -> None:
        self._p = parameters or FootLiftParameters()
        self._heights = FootHeights(context.geometry, context.period_s, self._p.cuffs, self._p.pressed_m)
        weight = context.body_mass_kg * GRAVITY_M_S2
        self._loaded, self._unloaded, self._dragged = _LOADED * weight, _UNLOADED * weight, _DRAGGED * weight
        self._torque = np.array(self._p.torque_nm)
        self._period = context.period_s
        self._calm = context.period_s / (context.period_s + _CALM_S)
        learned = (self._p.gain_per_m, self._p.forgetting, self._p.slack_m)
        self._profile = [LiftProfile(*learned) for _ in SIDES]
        self._version = -1
        self._table: list[NDArray[np.float64]] = []
        self.reset()

    def reset(self) -> None:
        """Forget amplitudes; the soles' zero is found anew."""
        for profile in self._profile:
            profile.reset()
        self.worn_rad: Vector = np.zeros(N_JOINTS)
        """By how much the patient's joints differ from the robot's [rad], (6,); zero where nothing tells."""
        self._swing: list[list[float] | None] = [None, None]
        """Clearances of each leg's swing so far [m]; none of one whose beginning was not seen."""
        self._own = [float("nan"), float("nan")]
        self._heights.reset()

    def level(self, side: int) -> float:
        """Return the most of the learned lift of a foot, 0..1."""
        return self._profile[side].highest

    def step(self, track: Track, path: ReferencePath) -> tuple[Vector, Vector]:
        """Return the lifting torque [N m] and the level 0..1 that it stands for, each (6,)."""
        torque, shown = np.zeros(N_JOINTS), np.zeros(N_JOINTS)
        seen = self._heights.see(track.state)
        worn = self._heights.angle_rad - track.state.angle_rad if seen else np.zeros(N_JOINTS)
        self.worn_rad = _calmed(self.worn_rad, worn, self._calm)
        if not (self._p.enabled and track.walking and seen):
            self._swing = [None, None]
            return torque, shown
        if path.version != self._version:
            self._version = path.version
            self._table = [path.table(side, _SAMPLES) for side in (0, 1)]
        for side in (0, 1):
            lift = self._foot(side, track, path.curve.stance_fraction)
            if lift > 0.0:
                part = side_slice(side)
                pull = lift * self._p.force_n * self._heights.arms(side)
                share = _shares(pull, self._torque, track.settings.assistance_max[part])
                shown[part], torque[part] = share, share * self._torque
        return torque, shown

    def _foot(self, side: int, track: Track, stance: float) -> float:
        """Return the lift 0..1 of one foot."""
        load = float(track.state.foot_force_n[3 * side + 2])
        phase = float(track.leg_phase[side])
        swing = (phase - stance) / (1.0 - stance)
        # A foot that drags never unloads: in the middle of its swing it counts as swinging all the same.
        dragged = _MID_SWING[0] <= swing <= _MID_SWING[1] and load < self._dragged
        if load > self._unloaded and not dragged:
            if load > self._loaded and swing < 0.0:
                self._heights.stand(side, phase / stance)
            self._end_swing(side, track)
            return 0.0
        if swing < 0.0 or not self._heights.known(side):
            if phase > _OVERDUE * stance and self._swing[side]:
                self._swing[side] = None
            return 0.0
        now, ahead = self._predict(side, track, stance)
        rows = self._swing[side]
        if rows is not None:
            rows.append(now)
        window = _ramp((1.0 - swing) / 0.2)
        prompt = self._p.prompt_per_m * max(self._p.least_m - ahead, 0.0)
        return min(self._profile[side].at(swing) + prompt, 1.0) * window

    def _predict(self, side: int, track: Track, stance: float) -> tuple[float, float]:
        """Return the clearance now and the least one predicted over the rest of mid-swing [m]."""
        phase = float(track.leg_phase[side])
        rate = max(float(track.leg_rate_hz[side]), 0.2)
        own = self._heights.angle_rad[side_slice(side)]
        posture = _ahead(self._table[side], phase, rate * self._p.persistence_s, own)
        clearance = self._heights.clearance(side, posture)
        return clearance.item(0), _least(clearance, phase, stance)

    def _goal(self, side: int) -> float:
        """Return the clearance that a foot should have [m]."""
        p, other = self._p, self._own[1 - side]
        if np.isnan(other):
            return p.target_m
        behind = 0.0 if self.level(side) > 0.0 else p.behind_m
        return min(max(other - behind, p.target_m), p.highest_m)

    def _end_swing(self, side: int, track: Track) -> None:
        """Learn from the least clearance in the middle of the swing that has ended."""
        rows, self._swing[side] = self._swing[side], []
        if not rows:
            return
        first, last = (round(part * len(rows)) for part in _MID_SWING)
        seen = min(rows[first:last], default=float("inf"))
        long = len(rows) * self._period * float(track.leg_rate_hz[side]) >= _SHORTEST
        # A heel that bounces is no swing; a swing whose phase was not known may have been anything.
        if not long or float(track.hold[side_slice(side)][0]) < _KNOWN:
            return
        goal, own = self._goal(side), self._own[side]
        if self.level(side) < _ITSELF:
            self._own[side] = seen if np.isnan(own) else own + _SEEN_SHARE * (seen - own)
        self._profile[side].learn(rows, first, last, goal)


def _ramp(x: float) -> float:
    """Return x kept in [0, 1]."""
    return min(max(x, 0.0), 1.0)
