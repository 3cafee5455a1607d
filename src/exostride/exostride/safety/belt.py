"""The kernel's word on belt and harness, and its own watch over the belt's speed."""

from __future__ import annotations

from exostride.safety import codes
from exostride.safety.intake import environment_order_ok, finite
from exostride.safety.limits import SafetyLimits, plain
from exostride.types import (
    EnvironmentCommand,
    EnvironmentState,
    SafetyPermit,
    SupportKind,
)

_SLOW_SHARE = 0.6
"""A belt told to slow down must manage this share of the deceleration before it counts as too fast."""
_LEAST_SHARE = 0.04
"""Of the ordinary ramp, with which a belt slows down at least, however gentle the order: 0.02 m/s^2."""
_MOVING = (codes.TRAIN, codes.STAND, codes.HOMING)


class EnvironmentKernel:
    """Belt and harness. After :meth:`step`: ``bits`` (Reason) and ``stopped``: the contactor is open."""

    def __init__(self, limits: SafetyLimits, period_s: float) -> None:
        self._limits = plain(limits.belt)
        self._t = period_s
        self._order: EnvironmentCommand | None = None
        self._expected = 0.0
        self._unloading = 0.0
        self._known = False
        self._support = int(SupportKind.CONSTANT_FORCE)
        self._over = 0
        self.stopped = False
        self.bits = 0

    def take(self, command: EnvironmentCommand) -> bool:
        """Keep a command that is in sequence; return False, keeping the old one, if it isn't usable."""
        if environment_order_ok(command):
            self._order = command
            return True
        return False

    @staticmethod
    def readable(state: EnvironmentState) -> bool:
        """Return whether the state is one and its numbers can be used."""
        if not isinstance(state, EnvironmentState):
            return False
        try:
            sane = (
                -1e3 <= state.belt_speed_m_s <= 1e3
                and -1e3 <= state.belt_target_m_s <= 1e3
                and -1e6 <= state.belt_acceleration_m_s2 <= 1e6
                and -1e6 <= state.unloading_n <= 1e6
                and -1e4 <= state.unloading_percent <= 1e4
                and -1e6 <= state.guidance_torque_nm <= 1e6
            )
        except (TypeError, ValueError):
            return False
        return sane and finite(state.guidance_force_n, 2)

    def step(
        self,
        seq: int,
        state: EnvironmentState | None,
        mode: int,
        permit: SafetyPermit | None,
        age: int,
    ) -> EnvironmentCommand:
        """Return the command for this tick; ``state`` None means that it could not be read."""
        self.bits = 0
        if mode == codes.ZERO and permit is not None:
            self.stopped = False
        self._watch(state)
        order = self._order
        moving = mode in _MOVING and permit is not None
        if order is None or age > self._limits.max_age_ticks:
            self.bits |= codes.ENVIRONMENT_STALE
            order = None
        demand = permit.harness_action if permit is not None else codes.HOLD
        speed, ramp = self._belt(order if mode == codes.TRAIN else None, permit)
        self._set_unloading(order, state)
        wish = order.harness_action if order is not None else codes.HOLD
        return EnvironmentCommand(
            seq=seq,
            time_s=seq * self._t,
            belt_speed_m_s=speed,
            belt_acceleration_m_s2=ramp,
            unloading_percent=self._unloading,
            support_kind=self._support,
            harness_action=int(max(demand, wish if moving else codes.HOLD)),
            belt_stop=self.stopped,
        )

    def _belt(self, order: EnvironmentCommand | None, permit: SafetyPermit | None) -> tuple[float, float]:
        """Return target and ramp; without order or permit the belt ramps to rest."""
        if order is None or permit is None or self.stopped:
            speed, ramp = 0.0, self._limits.stop_m_s2
        else:
            most = min(self._limits.speed_m_s, permit.belt_limit_m_s)
            speed = min(max(order.belt_speed_m_s, 0.0), most)
            least = _LEAST_SHARE * self._limits.acceleration_m_s2 if speed < self._expected else 0.0
            ramp = min(max(order.belt_acceleration_m_s2, least), self._limits.acceleration_m_s2)
            if speed != order.belt_speed_m_s or ramp != order.belt_acceleration_m_s2:
                self.bits |= codes.ENVIRONMENT_LIMIT
            if order.belt_speed_m_s > most:
                ramp = self._limits.stop_m_s2 if most < self._expected else ramp
        self._expected = max(speed, self._expected - _SLOW_SHARE * ramp * self._t)
        return speed, ramp

    def _watch(self, state: EnvironmentState | None) -> None:
        """Open the contactor when the belt runs faster than told, or backwards, for several ticks."""
        if state is None:
            return
        fast = state.belt_speed_m_s > self._expected + self._limits.over_m_s
        if fast or state.belt_speed_m_s < -self._limits.reverse_m_s:
            self._over += 1
            self.bits |= codes.ENVIRONMENT_LIMIT
            self.stopped = self.stopped or self._over >= self._limits.over_ticks
        else:
            self._over = 0
        if self.stopped:
            self.bits |= codes.ENVIRONMENT_LIMIT | codes.FALLBACK

    def _set_unloading(self, order: EnvironmentCommand | None, state: EnvironmentState | None) -> None:
        """Move the unloading towards the order no faster than allowed; hold it without one."""
        most = self._limits.unloading_percent
        if not self._known and state is not None:
            self._unloading = min(max(float(state.unloading_percent), 0.0), most)
            self._known = True
        if order is None:
            return
        goal = min(max(order.unloading_percent, 0.0), most)
        if goal != order.unloading_percent:
            self.bits |= codes.ENVIRONMENT_LIMIT
        step = self._limits.unloading_rate_percent_s * self._t
        self._unloading += min(max(goal - self._unloading, -step), step)
        self._support = int(order.support_kind)
