"""What every law about a reference path needs each tick, and the frame that turns a law into a command.

:class:`Tracker` gives the reference, the measured posture and the error, bumpless from the first tick.
:class:`PathLaw` carries the parts that all laws share (compensation of the robot, soft start, limits),
so that a law of one's own is its parameters and one method, :meth:`PathLaw.assist`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import isfinite, isnan
from typing import Final

import numpy as np
from numpy.typing import NDArray

from exostride.compiled import In1, In2, Out1, compiled
from exostride.control.context import ControlContext
from exostride.control.path import ReferencePath, sampled
from exostride.control.rhythm import Rhythm
from exostride.conventions import N_JOINTS
from exostride.types import AssistCommand, ExoState, GaitPhase, TherapySettings, Vector

_NOTHING: Final = np.zeros(N_JOINTS)
_WALKING_M_S: Final = 0.02
_FASTEST_RAD_S: Final = 30.0
"""Beyond this no leg moves: such a reading is the sensor's fault and must not become a torque."""
_LIKELY_RAD: Final = 0.35
_REFUTED_RAD: Final = 0.55
"""Error of a joint up to which a posture may be the one guessed, and from which it is another: a leg that
already steps must not be held in the posture of somebody who stands, or in a step that the robot leads."""


@dataclass(frozen=True, slots=True)
class Track:
    """One tick as a law sees it; vectors (6,) in joint order, ``leg_phase`` and ``leg_rate_hz`` (2,).

    ``hold`` (6,) in [0, 1] is how far the rhythm is that of the legs, see
    :mod:`~exostride.control.rhythm`. ``error_rad`` is reference minus angle, at most half a turn, as far as
    it may be held against the walker: zero where a joint was not measured, and in proportion to the hold;
    ``velocity_error_rad_s`` likewise. ``walking`` tells whether the belt is meant to move.
    """

    t: float
    reference_rad: Vector
    reference_velocity_rad_s: Vector
    angle_rad: Vector
    velocity_rad_s: Vector
    error_rad: Vector
    velocity_error_rad_s: Vector
    leg_phase: Vector
    leg_rate_hz: Vector
    hold: Vector
    walking: bool
    state: ExoState
    phase: GaitPhase
    settings: TherapySettings


@dataclass(frozen=True, slots=True)
class Assistance:
    """What a law gives: feed-forward torque, spring and damper about the reference, level (0..1) to show.

    ``reference_rad`` and ``reference_velocity_rad_s`` replace the path's own where a law wants its spring
    about another point, or its damper about another speed.
    """

    torque_nm: Vector
    stiffness_nm_rad: Vector
    damping_nms_rad: Vector
    level: Vector
    reference_rad: Vector | None = None
    reference_velocity_rad_s: Vector | None = None


@compiled
def _unrefuted(hold: float, trusted: float, error: In1) -> float:
    """Return the hold on a leg without what of it is a guess that the leg's posture refutes."""
    away = max(abs(error[0]), abs(error[1]), abs(error[2]))
    likely = min(max((_REFUTED_RAD - away) / (_REFUTED_RAD - _LIKELY_RAD), 0.0), 1.0)
    # A phase that is only half trusted is a guess too.
    known = trusted * max(2.0 * trusted - 1.0, 0.0)
    kept: float = known + likely * max(hold - known, 0.0)
    return kept


@compiled
def _tracked(
    phase: In1,
    rate_hz: In1,
    hold: In1,
    trust: In1,
    both: In2,
    mean: In1,
    adjusted: In1,
    blend: float,
    angle: In1,
    speed: In1,
    valid: int,
    bridge: Out1,
    fresh: bool,
    decay: float,
) -> NDArray[np.float64]:
    """Return reference, its velocity, angle, speed, both errors and hold of the joints, rows of (7, 6).

    A joint that was not measured is where the reference is. ``bridge`` leads from the first posture onto the
    path; who stands is held in the standing posture, which is no moment of a step.
    """
    path, out, held = sampled(phase, rate_hz, both, mean, adjusted, blend), np.empty((7, N_JOINTS)), 0.0
    for i in range(N_JOINTS):
        measured = (valid >> i) & 1 != 0
        seen = measured and isfinite(angle[i]) and isfinite(speed[i])
        q, qd = (angle[i], speed[i]) if seen else (path[0, i], path[1, i])
        qd = min(max(qd, -_FASTEST_RAD_S), _FASTEST_RAD_S)
        if fresh:
            # Beyond half a turn it is the sensor that is wrong, not the posture.
            bridge[i] = min(max(q - path[0, i], -np.pi), np.pi)
        out[0, i], out[1, i], out[2, i], out[3, i] = path[0, i] + bridge[i], path[1, i], q, qd
        bridge[i] *= decay
        out[4, i] = out[0, i] - q if measured else 0.0
    for i in range(N_JOINTS):
        side, error = i // 3, out[4, i]
        if i % 3 == 0:
            leg_hold = (1.0 - blend) + blend * hold[side]
            held = _unrefuted(leg_hold, blend * trust[side], out[4, i : i + 3])
        out[4, i] = held * min(max(error, -np.pi), np.pi)
        out[5, i], out[6, i] = held * (out[1, i] - out[3, i]), held
    return out


@compiled
def _commanded(
    gain: float,
    hold: In1,
    torque: In1,
    compensation: In1,
    limit: In1,
    stiffness: In1,
    damping: In1,
) -> NDArray[np.float64]:
    """Return torque, stiffness and damping asked for, rows of (3, 6); a torque that is no number is none."""
    out = np.empty((3, N_JOINTS))
    for i in range(N_JOINTS):
        share = gain * hold[i]
        total = share * torque[i] + compensation[i]
        out[0, i] = 0.0 if isnan(total) else min(max(total, -limit[i]), limit[i])
        out[1, i], out[2, i] = share * stiffness[i], share * damping[i]
    return out


def bounded_level(level: Vector, settings: TherapySettings) -> Vector:
    """Return a level (6,) kept within the therapist's bounds."""
    return np.minimum(np.maximum(level, settings.assistance_min), settings.assistance_max)


class Tracker:
    """Follows rhythm and reference path; starts at the measured posture and glides onto the path.

    Parameters
    ----------
    context
        Facts of the session.
    follow_hz
        Gain with which a trusted phase is followed, see :class:`~exostride.control.rhythm.Rhythm`.
    blend_s
        Time constant [s] of the glide from the first posture onto the path.
    """

    def __init__(self, context: ControlContext, follow_hz: float = 12.0, blend_s: float = 1.0) -> None:
        self._rhythm = Rhythm(context.period_s, follow_hz)
        self.path = ReferencePath(context)
        self._decay = float(np.exp(-context.period_s / blend_s))
        self.reset()

    def reset(self) -> None:
        """Start again from the next measured posture."""
        self._rhythm.reset()
        self.path.reset()
        self._bridge = np.zeros(N_JOINTS)
        self._fresh = True
        self.gain = 0.0

    def step(self, t: float, state: ExoState, phase: GaitPhase, settings: TherapySettings) -> Track:
        """Return what a law sees in this tick; ``gain`` rises from 0 to 1 after a reset."""
        lead_hz = self.path.advance(settings)
        walking = self.path.speed_m_s > _WALKING_M_S
        rhythm = self._rhythm.step(phase, lead_hz, walking)
        legs = (rhythm.phase, rhythm.rate_hz, rhythm.hold, rhythm.trust)
        both, mean, adjusted, blend = self.path.shape
        measured = (state.angle_rad, state.velocity_rad_s, state.joint_valid)
        bridge = (self._bridge, self._fresh, self._decay)
        rows = _tracked(*legs, both, mean, adjusted, blend, *measured, *bridge)
        self._fresh = False
        self.gain = 1.0 - self._decay * (1.0 - self.gain)
        return Track(
            t=t,
            reference_rad=rows[0],
            reference_velocity_rad_s=rows[1],
            angle_rad=rows[2],
            velocity_rad_s=rows[3],
            error_rad=rows[4],
            velocity_error_rad_s=rows[5],
            leg_phase=rhythm.phase,
            leg_rate_hz=rhythm.rate_hz,
            hold=rows[6],
            walking=walking,
            state=state,
            phase=phase,
            settings=settings,
        )


class PathLaw(ABC):
    """An assistance law about the reference path: parameters, memory and one method.

    The robot carries itself in every law: its compensation torque is added here. What the law adds
    rises softly after a reset; :class:`~exostride.control.switching.Switcher` fades the law before it
    out meanwhile.
    """

    def __init__(self, context: ControlContext, tracker: Tracker | None = None) -> None:
        self.context = context
        self.tracker = tracker or Tracker(context)

    @abstractmethod
    def assist(self, track: Track) -> Assistance:
        """Return the assistance for one tick."""

    def reset(self) -> None:
        """Forget adaptation; the next step starts at the measured posture, without a bump."""
        self.tracker.reset()

    def step(self, t: float, state: ExoState, phase: GaitPhase, settings: TherapySettings) -> AssistCommand:
        """Return the joint command in answer to ``state``."""
        track = self.tracker.step(t, state, phase, settings)
        given = self.assist(track)
        own = self.context.compensation
        torque, stiffness, damping = _commanded(
            *(self.tracker.gain, track.hold, given.torque_nm, _NOTHING if own is None else own.step(state)),
            *(self.context.torque_limit_nm, given.stiffness_nm_rad, given.damping_nms_rad),
        )
        reference, velocity = given.reference_rad, given.reference_velocity_rad_s
        return AssistCommand(
            seq=state.seq,
            time_s=t,
            torque_nm=torque,
            stiffness_nm_rad=stiffness,
            damping_nms_rad=damping,
            reference_rad=track.reference_rad if reference is None else reference,
            reference_velocity_rad_s=track.reference_velocity_rad_s if velocity is None else velocity,
            assistance=given.level,
        )
