"""One leg's view of an :class:`~exostride.types.ExoState`: plain floats, validity, fall-backs.

The estimators work on floats because at one sample a call numpy's overhead is larger than the
arithmetic. A leg's driving signal is the global sagittal thigh angle (segment IMU); where only
joints are measured the hip angle stands in for it, since the pelvis tilts by a few degrees only
while the thigh swings by forty.
"""

from __future__ import annotations

import math

from exostride.types import ExoState, Signal

_SEGMENT = int(Signal.SEGMENT)
_JOINT = int(Signal.JOINT_ANGLE)
_FOOT = int(Signal.FOOT_LOAD)

RATE_CUTOFF_HZ = 8.0
"""Cut-off of the derivative filter used when a device gives angles without rates [Hz]."""


class Differentiator:
    """Derivative of a sampled signal through a first-order low-pass, for devices without rates.

    The filter state follows the signal with time constant tau; the derivative is its own step over
    the sample interval, exact for a ramp at any interval, without a start-up transient.
    """

    __slots__ = ("_last", "_state", "_tau", "_time")

    def __init__(self, cutoff_hz: float = RATE_CUTOFF_HZ) -> None:
        self._tau = 1.0 / (2.0 * math.pi * cutoff_hz)
        self._state = math.nan
        self._time = math.nan
        self._last = 0.0

    def step(self, t: float, x: float) -> float:
        """Return the derivative [unit/s] after the sample ``x`` at ``t``."""
        if not math.isfinite(self._state):
            self._state, self._time = x, t
            return 0.0
        dt = t - self._time
        if dt <= 0.0:
            return self._last
        step = (x - self._state) * -math.expm1(-dt / self._tau)
        self._state += step
        self._time = t
        self._last = step / dt
        return self._last


class LegSample:
    """Signals of one leg at one tick, reused from tick to tick.

    Attributes
    ----------
    ok : bool
        Angle and rate are fresh and finite.
    angle_rad, rate_rad_s : float
        Thigh angle in the world's sagittal plane, forward positive, and its rate.
    shank_ok : bool
        The shank's angle is known, by its own IMU or by thigh and knee.
    shank_rad : float
        Shank angle in the world's sagittal plane, foot forward positive.
    load_ok : bool
        The foot's load cells were read.
    heel_n, toe_n : float
        Load under heel and toe, compression positive [N].
    contact : bool or None
        Whether the foot is down according to its load cells, None without them; set by the event detectors.
    lifted_s : float
        Time of the last toe off [s], NaN before the first; set by the event detectors.
    """

    __slots__ = (
        "_differentiator",
        "_source",
        "angle_rad",
        "contact",
        "heel_n",
        "lifted_s",
        "load_ok",
        "ok",
        "rate_rad_s",
        "shank_ok",
        "shank_rad",
        "side",
        "toe_n",
    )

    def __init__(self, side: int) -> None:
        self.side = side
        self.reset()

    def reset(self) -> None:
        """Forget the last sample."""
        self._differentiator = Differentiator()
        self._source = 0
        self.ok = self.shank_ok = self.load_ok = False
        self.angle_rad = self.rate_rad_s = 0.0
        self.shank_rad = 0.0
        self.heel_n = self.toe_n = 0.0
        self.contact: bool | None = None
        self.lifted_s = math.nan

    def read(self, t: float, state: ExoState) -> None:
        """Take over what ``state`` holds for this leg."""
        first = 3 * self.side
        available = state.available
        angle = rate = math.nan
        source = 0
        if available & _SEGMENT and state.segment_valid >> first & 1:
            angle, rate, source = (
                float(state.segment_angle_rad[first]),
                float(state.segment_rate_rad_s[first]),
                1,
            )
        joints = available & _JOINT and state.joint_valid >> first & 1
        if joints and not math.isfinite(angle):
            angle, rate, source = float(state.angle_rad[first]), float(state.velocity_rad_s[first]), 2
        self.ok = math.isfinite(angle)
        if self.ok:
            if source != self._source:
                self._differentiator = Differentiator()
                self._source = source
            if not math.isfinite(rate):
                rate = self._differentiator.step(t, angle)
            self.angle_rad, self.rate_rad_s = angle, rate
        self._read_shank(state, first, bool(joints))
        self._read_load(state, available)

    def _read_shank(self, state: ExoState, first: int, joints: bool) -> None:
        """Shank angle from its own IMU, or from thigh and knee."""
        shank = math.nan
        if state.available & _SEGMENT and state.segment_valid >> (first + 1) & 1:
            shank = float(state.segment_angle_rad[first + 1])
        if joints and not math.isfinite(shank) and state.joint_valid >> (first + 1) & 1:
            shank = self.angle_rad - float(state.angle_rad[first + 1])
        self.shank_ok = self.ok and math.isfinite(shank)
        if self.shank_ok:
            self.shank_rad = shank

    def _read_load(self, state: ExoState, available: int) -> None:
        self.load_ok = bool(available & _FOOT and state.foot_valid >> self.side & 1)
        if self.load_ok:
            heel, toe = float(state.foot_load_n[2 * self.side]), float(state.foot_load_n[2 * self.side + 1])
            self.load_ok = math.isfinite(heel + toe)
            if self.load_ok:
                self.heel_n, self.toe_n = heel, toe
