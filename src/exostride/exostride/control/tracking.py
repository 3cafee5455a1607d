"""What every law about a reference path needs each tick, and the frame that turns a law into a command.

:class:`Tracker` gives the reference, the measured posture and the error, bumpless from the first tick.
:class:`PathLaw` carries the parts that all laws share (compensation of the robot, soft start, limits),
so that a law of one's own is its parameters and one method, :meth:`PathLaw.assist`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import isfinite
from typing import Final

import numpy as np

from exostride.compiled import In1, compiled
from exostride.control.context import ControlContext
from exostride.control.path import ReferencePath
from exostride.control.rhythm import Rhythm
from exostride.conventions import N_JOINTS
from exostride.types import AssistCommand, ExoState, GaitPhase, TherapySettings, Vector

_BITS: Final = np.arange(N_JOINTS)
_ALL: Final = (1 << N_JOINTS) - 1
_WALKING_M_S: Final = 0.02
_FASTEST_RAD_S: Final = 30.0
"""Beyond this no leg moves: such a reading is the sensor's fault and must not become a torque."""


_LIKELY_RAD: Final = 0.25
_REFUTED_RAD: Final = 0.5
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
def _finite(a: In1, b: In1) -> bool:
    sound = True
    for i in range(a.size):
        sound = sound and isfinite(a[i]) and isfinite(b[i])
    return sound


@compiled
def _unrefuted(hold: In1, trusted: In1, error: In1) -> Vector:
    """Return the hold on the joints (6,), without what of it is a guess that the leg's posture refutes."""
    out = np.empty(N_JOINTS)
    for side in range(2):
        away = 0.0
        for i in range(3 * side, 3 * side + 3):
            away = max(away, abs(error[i]))
        likely = min(max((_REFUTED_RAD - away) / (_REFUTED_RAD - _LIKELY_RAD), 0.0), 1.0)
        kept = trusted[side] + likely * max(hold[side] - trusted[side], 0.0)
        for i in range(3 * side, 3 * side + 3):
            out[i] = kept
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
        self._bridge: Vector | None = None
        self.gain = 0.0

    def step(self, t: float, state: ExoState, phase: GaitPhase, settings: TherapySettings) -> Track:
        """Return what a law sees in this tick; ``gain`` rises from 0 to 1 after a reset."""
        lead_hz = self.path.advance(settings)
        walking = self.path.speed_m_s > _WALKING_M_S
        rhythm = self._rhythm.step(phase, lead_hz, walking)
        reference, velocity = self.path.sample(rhythm)
        angle, speed = self._measured(state, reference, velocity)
        if self._bridge is None:
            # Beyond half a turn it is the sensor that is wrong, not the posture.
            self._bridge = np.clip(angle - reference, -np.pi, np.pi)
        reference = reference + self._bridge
        self._bridge = self._bridge * self._decay
        self.gain = 1.0 - self._decay * (1.0 - self.gain)
        unseen = state.joint_valid != _ALL
        error = reference - angle
        if unseen:
            error[((state.joint_valid >> _BITS) & 1) == 0] = 0.0
        hold = _unrefuted(*self.path.held(rhythm), error)
        return Track(
            t=t,
            reference_rad=reference,
            reference_velocity_rad_s=velocity,
            angle_rad=angle,
            velocity_rad_s=speed,
            error_rad=hold * np.minimum(np.maximum(error, -np.pi), np.pi),
            velocity_error_rad_s=hold * (velocity - speed),
            leg_phase=rhythm.phase,
            leg_rate_hz=rhythm.rate_hz,
            hold=hold,
            walking=walking,
            state=state,
            phase=phase,
            settings=settings,
        )

    @staticmethod
    def _measured(state: ExoState, reference: Vector, velocity: Vector) -> tuple[Vector, Vector]:
        """Return angle and velocity (6,), the reference's where a joint was not measured."""
        angle, speed = state.angle_rad, state.velocity_rad_s
        if state.joint_valid != _ALL or not _finite(angle, speed):
            finite = np.isfinite(angle) & np.isfinite(speed)
            seen = finite & ((state.joint_valid >> _BITS) & 1).astype(bool)
            angle, speed = np.where(seen, angle, reference), np.where(seen, speed, velocity)
        return angle, np.minimum(np.maximum(speed, -_FASTEST_RAD_S), _FASTEST_RAD_S)


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
        gain, limit = self.tracker.gain * track.hold, self.context.torque_limit_nm
        torque = gain * given.torque_nm
        if self.context.compensation is not None:
            torque = torque + self.context.compensation.step(state)
        if not _finite(torque, torque):
            torque = np.nan_to_num(torque)
        reference, velocity = given.reference_rad, given.reference_velocity_rad_s
        return AssistCommand(
            seq=state.seq,
            time_s=t,
            torque_nm=np.minimum(np.maximum(torque, -limit), limit),
            stiffness_nm_rad=gain * given.stiffness_nm_rad,
            damping_nms_rad=gain * given.damping_nms_rad,
            reference_rad=track.reference_rad if reference is None else reference,
            reference_velocity_rad_s=track.reference_velocity_rad_s if velocity is None else velocity,
            assistance=given.level,
        )
