"""Whether a leg walks forward or backward, from how long its thigh takes for either way.

Walking forward the thigh swings forward fast and goes back slowly: forward motion takes 26 to 44 % of the
cycle in every published set (thigh furthest back at 48 to 58 %, furthest forward at 84 to 92 %). Backward
walking is nearly the same motion in reversed time (Thorstensson 1986, Acta Physiol Scand 126:211-218;
Winter, Pluck & Yang 1989, J Mot Behav 21:291-305), so forward motion takes 56 to 74 % of it there. Read
as forward walking it is a clean curve that any estimator would learn, with a phase that means nothing.

People differ, and impaired legs swing slowly, so each leg is compared with what it usually does. Who has not
been seen walking yet is taken to walk forward.
"""

from __future__ import annotations

import math

from exostride.gait.phase.settings import ShellParameters


class LegDirection:
    """Direction of walking of one leg; ``backward`` after :meth:`step`."""

    __slots__ = (
        "_back_s",
        "_cycles",
        "_far",
        "_far_s",
        "_forward_s",
        "_p",
        "_seen",
        "_sign",
        "_usual",
        "backward",
    )

    def __init__(self, parameters: ShellParameters) -> None:
        self._p = parameters
        self.reset()

    def reset(self) -> None:
        """Forget turns and direction."""
        self._sign = 0
        self._far = self._far_s = math.nan
        self._forward_s = self._back_s = math.nan
        self._cycles = self._seen = 0
        self._usual = 0.0
        self.backward = False

    def step(self, t: float, angle_rad: float, range_rad: float) -> None:
        """Take one sample of the thigh's angle, and the range [rad] that it has moved in lately."""
        if self._sign == 0:
            self._sign, self._far, self._far_s = 1, angle_rad, t
            return
        beyond = self._sign * (angle_rad - self._far)
        if beyond >= 0.0:
            self._far, self._far_s = angle_rad, t
        elif beyond < -max(self._p.turn_share * range_rad, self._p.turn_least_rad):
            self._turn(self._far_s)
            self._far, self._far_s = angle_rad, t

    def _turn(self, at: float) -> None:
        """Book the turn at ``at``: the end of a forward motion, or of a backward one."""
        if self._sign > 0:
            cycle = at - self._forward_s
            forward = at - self._back_s
            self._forward_s = at
            if cycle > 0.0:  # not a number before the second turn
                self._judge(forward / cycle)
        else:
            self._back_s = at
        self._sign = -self._sign

    def _judge(self, share: float) -> None:
        p = self._p
        least = max(p.backward_share, self._usual + p.backward_more)
        if self._seen >= p.usual_cycles and share > least:
            self._cycles += 1
            self.backward = self._cycles >= p.backward_cycles
            return
        self._cycles = 0
        self.backward = False
        self._seen = min(self._seen + 1, p.usual_memory_cycles)
        self._usual += (share - self._usual) / self._seen
