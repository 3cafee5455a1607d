"""Where both legs are in their cycles, and whether the walker has a rhythm at all."""

from __future__ import annotations

from math import isfinite

from exostride.safety import codes
from exostride.safety.snapshot import Snapshot

REST_M_S = 0.05
"""Belt speed below which nobody walks: a leg that the robot moves then is examined, not trained."""
_SLOWEST_HZ = 0.1
"""Least pace of a stride that is believed."""


class Cycle:
    """Where a leg is in its cycle: as estimated, and by its own pace where the estimate leaps.

    An estimate that takes a foot's second touch for its heel strike is half a cycle off until it sees it. A
    leg does not leap: beyond ``leap`` the phase goes on at the pace it had, until the estimate comes back
    to it, or a cycle has passed without that.
    """

    def __init__(self, leap: float, period_s: float) -> None:
        self._leap, self._t = leap, period_s
        self._phase: float | None = None
        self._alone = 0.0
        self.pace_hz = _SLOWEST_HZ
        """Strides per second."""

    def lose(self) -> None:
        """Note that nobody walks."""
        self._phase = None
        self._alone = 0.0

    @property
    def doubted(self) -> bool:
        """Whether the estimate is not believed."""
        return self._alone > 0.0

    def step(self, estimate: float, rate_hz: float) -> float:
        """Return the phase in [0, 1)."""
        if self._phase is not None:
            on = self.pace_hz * self._t
            phase = self._phase + on
            if abs((estimate - phase + 0.5) % 1.0 - 0.5) > self._leap and self._alone < 1.0:
                self._alone += on
                self._phase = phase % 1.0
                return self._phase
        self._alone, self.pace_hz = 0.0, max(rate_hz, _SLOWEST_HZ)
        self._phase = estimate % 1.0
        return self._phase


class Rhythm:
    """Both legs' cycles. After a stumble, or a leap of a phase, it takes a stride to be on course again.

    Parameters
    ----------
    leap
        Change of a phase beyond its pace that is not believed [cycle].
    period_s
        Control period [s].
    """

    def __init__(self, leap: float, period_s: float) -> None:
        self._cycles = Cycle(leap, period_s), Cycle(leap, period_s)
        self._t = period_s
        self._to_go = 0.0

    @property
    def lost(self) -> bool:
        """Whether the walker lost their rhythm within the last stride."""
        return self._to_go > 0.0

    def step(self, snap: Snapshot) -> tuple[float | None, float | None]:
        """Return the phase of each leg, None when nobody walks or it is not known."""
        left, right = self._cycles
        self._to_go = max(0.0, self._to_go - self._t * left.pace_hz)
        phases = self._phases(snap, left, right)
        stumbles = snap.phase is not None and snap.phase.state == codes.STUMBLING
        if stumbles or left.doubted or right.doubted:
            self._to_go = 1.0
        return phases

    @staticmethod
    def _phases(snap: Snapshot, left: Cycle, right: Cycle) -> tuple[float | None, float | None]:
        phase = snap.phase
        if phase is not None and snap.gait and phase.state == codes.WALKING:
            a, b, pace_a, pace_b = snap.gait[:4]
            walks = abs(snap.environment.belt_speed_m_s) >= REST_M_S
            if walks and isfinite(a + b + pace_a + pace_b):
                return left.step(a, pace_a), right.step(b, pace_b)
        left.lose()
        right.lose()
        return None, None
