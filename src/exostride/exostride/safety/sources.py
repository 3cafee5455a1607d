"""Where the active part comes from in each mode: the controller, or the kernel's own laws."""

from __future__ import annotations

from exostride.conventions import N_JOINTS, SIDES
from exostride.safety import codes
from exostride.safety.homing import HomingSchedule
from exostride.safety.intake import PLACES, JointOrder
from exostride.safety.limits import SafetyLimits
from exostride.types import ExoState

_FADE_SHARE = 0.25
"""Part of the longest HOLD_STANCE over which the torque carried at its start is handed to the spring."""

_TEST_CAP = 3.0
"""Cap of all joint torques in HOMING, in multiples of the test torque."""
_LOAD, _FORCE = PLACES["foot_load_n"], PLACES["foot_force_n"]
_LOCKS = (codes.STAND, codes.HOMING, codes.HOLD_STANCE)


class ActiveSource:
    """Fills torque, stiffness, damping, reference and reference velocity of the six joints for a mode.

    After :meth:`fill`: the lists ``torque``, ``stiffness``, ``damping``, ``reference``, ``speed``,
    ``cap`` and ``bits``, the whole already multiplied by the permit's scale.
    """

    def __init__(self, limits: SafetyLimits, period_s: float) -> None:
        self._joints = limits.joints
        # Reading a field of a validated model costs as much as a multiplication; this is read each tick.
        self._bounds = [
            (
                joint.stiffness_nm_rad,
                joint.damping_nms_rad,
                joint.angle_min_rad,
                joint.angle_max_rad,
                joint.velocity_rad_s,
                joint.torque_nm,
            )
            for joint in limits.joints
        ]
        self._schedule = HomingSchedule(limits, period_s)
        self._fade_ticks = max(1.0, _FADE_SHARE * limits.timing.hold_stance_s / period_s)
        self._handover_ticks = max(1, round(limits.timing.handover_s / period_s))
        self._from_lock = False
        self._stand_step = limits.timing.stand_speed_rad_s * period_s
        self._stance_n = limits.timing.stance_load_n
        self._anchor = [0.0] * N_JOINTS
        self._carried = [0.0] * N_JOINTS
        self._stance = [True] * len(SIDES)
        self._held = [True] * len(SIDES)
        self._mode = -1
        self.ticks = 0
        """Ticks spent in the present mode, 0 in its first."""
        self.torque = [0.0] * N_JOINTS
        self.stiffness = [0.0] * N_JOINTS
        self.damping = [0.0] * N_JOINTS
        self.reference = [0.0] * N_JOINTS
        self.speed = [0.0] * N_JOINTS
        self.cap = [0.0] * N_JOINTS
        self.bits = [0] * N_JOINTS
        self.lines = 0
        """Line of the emergency stop that the self-test opens in this tick: 1 for a, 2 for b, 0 for none."""

    def see_feet(self, exo: ExoState, values: list[float]) -> None:
        """Note which legs are loaded; without foot sensors both count as loaded.

        ``values`` are those of ``exo``, at :data:`exostride.safety.intake.PLACES`.
        """
        loads = values[_LOAD] if exo.available & codes.HAS_LOAD else None
        if loads is None and exo.available & codes.HAS_WRENCH:
            force = values[_FORCE]
            loads = [force[2], 0.0, force[5], 0.0]
        for side in range(len(SIDES)):
            if loads is None:
                self._stance[side] = True
            elif exo.foot_valid >> side & 1:
                self._stance[side] = loads[2 * side] + loads[2 * side + 1] > self._stance_n

    def fill(
        self, mode: int, scale: float, angle: list[float], carried: list[float], order: JointOrder | None
    ) -> None:
        """Fill the lists for this tick; ``carried`` is the active torque of the moment [N m]."""
        if mode == self._mode:
            self.ticks += 1
        else:
            self._from_lock = mode == codes.TRAIN and self._mode in _LOCKS
            if not self._from_lock and {mode, self._mode} != {codes.STAND, codes.HOMING}:
                self._anchor = angle.copy()
            self._carried = carried.copy()
            self._held = self._stance.copy()
            self._mode, self.ticks = mode, 0
        self.bits = [0] * N_JOINTS
        self.lines = self._schedule.lines(self.ticks) if mode == codes.HOMING else 0
        if mode == codes.TRAIN and order is not None:
            self._train(order, scale)
            if self._from_lock and self.ticks < self._handover_ticks:
                self._hand_over(scale, self.ticks / self._handover_ticks)
            return
        self.torque = [0.0] * N_JOINTS
        self.speed = [0.0] * N_JOINTS
        self.reference = self._anchor.copy()
        if mode == codes.HOLD_STANCE:
            self._hold(scale)
        elif mode in (codes.STAND, codes.HOMING):
            self._stand(mode, scale)
        else:
            self.stiffness = [0.0] * N_JOINTS
            self.damping = [0.0] * N_JOINTS
            self.cap = [0.0] * N_JOINTS

    def _train(self, order: JointOrder, scale: float) -> None:
        """Pass the controller's order, its gains and references within limits."""
        orders = zip(
            order.torque,
            order.stiffness,
            order.damping,
            order.reference,
            order.speed,
            self._bounds,
            strict=True,
        )
        for i, (torque, stiffness, damping, reference, speed, bounds) in enumerate(orders):
            stiffest, most_damped, lowest, highest, fastest, cap = bounds
            bits = codes.TORQUE_LIMIT if stiffness > stiffest or damping > most_damped else 0
            if not lowest <= reference <= highest:
                bits |= codes.SOFT_WALL
            if not -fastest <= speed <= fastest:
                bits |= codes.VELOCITY_LIMIT
            self.torque[i] = scale * torque
            self.stiffness[i] = scale * (stiffest if stiffness > stiffest else stiffness)
            self.damping[i] = scale * (most_damped if damping > most_damped else damping)
            self.reference[i] = min(max(reference, lowest), highest) if bits else reference
            self.speed[i] = min(max(speed, -fastest), fastest) if bits else speed
            self.cap[i] = cap
            self.bits[i] = bits

    def _hand_over(self, scale: float, share: float) -> None:
        """Mix the standing lock in that the controller takes over from; two springs make one."""
        rest = scale * (1.0 - share)
        for i, joint in enumerate(self._joints):
            lock = rest * joint.hold_stiffness_nm_rad
            order = share * self.stiffness[i]
            total = lock + order
            if total > 0.0:
                self.reference[i] = (lock * self._anchor[i] + order * self.reference[i]) / total
            self.stiffness[i] = total
            self.torque[i] *= share
            brake = rest * joint.hold_damping_nms_rad
            follow = share * self.damping[i]
            if brake + follow > 0.0:
                self.speed[i] *= follow / (brake + follow)
            self.damping[i] = brake + follow

    def _hold(self, scale: float) -> None:
        """Stance legs: spring about the entry posture, taking over the torque carried; swing: nothing."""
        left = scale * max(0.0, 1.0 - self.ticks / self._fade_ticks)
        for i, joint in enumerate(self._joints):
            if self._held[i // 3]:
                cap = joint.hold_nm
                self.torque[i] = min(max(left * self._carried[i], -cap), cap)
                self.stiffness[i] = scale * joint.hold_stiffness_nm_rad
                self.damping[i] = scale * joint.hold_damping_nms_rad
                self.cap[i] = cap
            else:
                self.stiffness[i] = self.damping[i] = self.cap[i] = 0.0

    def _stand(self, mode: int, scale: float) -> None:
        """Lock the posture; an unloaded leg is led to upright slowly; HOMING adds its test torque."""
        for i, joint in enumerate(self._joints):
            if mode == codes.STAND and not self._stance[i // 3]:
                away = joint.stand_rad - self._anchor[i]
                self._anchor[i] += min(max(away, -self._stand_step), self._stand_step)
            self.stiffness[i] = scale * joint.hold_stiffness_nm_rad
            self.damping[i] = scale * joint.hold_damping_nms_rad
            # In the self-test a reversed drive would turn the lock into its opposite, so it stays weak.
            self.cap[i] = _TEST_CAP * joint.homing_nm if mode == codes.HOMING else joint.hold_nm
        self.reference = self._anchor.copy()
        if mode == codes.HOMING:
            tested, torque = self._schedule.torque(self.ticks)
            if tested >= 0:
                self.torque[tested] = scale * torque
