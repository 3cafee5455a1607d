"""The safety kernel: the last word on every joint, the belt and the harness, once a tick.

Each tick it checks what came in, chooses the mode (the permit's, or a fallback of its own), takes
the active part from the mode's source, bounds it by a window per joint, adds the protective part,
and clamps. It needs no supervisor to fall back and returns safe, finite outputs for any input.
"""

from __future__ import annotations

from struct import Struct

import numpy as np
from numpy.typing import NDArray

from exostride.conventions import N_JOINTS
from exostride.safety import codes
from exostride.safety.belt import EnvironmentKernel
from exostride.safety.estop import TestedLines, reasons
from exostride.safety.guard import GOOD, LOST, SampleGuard
from exostride.safety.homing import HomingSchedule
from exostride.safety.inbox import Inbox, permit_longest
from exostride.safety.intake import PLACES, whole
from exostride.safety.limits import SafetyLimits
from exostride.safety.shaping import JointShaper
from exostride.safety.sources import ActiveSource
from exostride.safety.tank import EnergyTank
from exostride.safety.walls import JointWall
from exostride.types import (
    AssistCommand,
    DriveCommand,
    EnvironmentCommand,
    EnvironmentState,
    ExoState,
    HarnessAction,
    KernelOutput,
    Mode,
    SafetyPermit,
)

_SUPPORTING = (codes.HOLD_STANCE, codes.HOMING, codes.STAND, codes.TRAIN)
_ACKNOWLEDGING = (codes.ZERO, codes.DAMP, codes.HOMING, codes.STAND)
"""Modes of a permit after which TRAIN may be had again: none of them follows the controller."""
_ROWS = Struct(f"{10 * N_JOINTS}d{N_JOINTS}I")
_REASONS_AT = 10 * N_JOINTS * 8
_MOTOR, _CUFF = PLACES["motor_torque_nm"], PLACES["cuff_torque_nm"]
_REQUEST_MAX = 1e6


class SafetyKernel:
    """The kernel for ticks of ``period_s`` seconds under ``limits``.

    Parameters
    ----------
    limits
        Limits in force for this patient and device.
    period_s
        Control period T [s].
    paced
        Whether ticks follow real time: permits then last ``max(2 T, permit_paced_s)`` instead of
        ``permit_ticks``.
    """

    def __init__(self, limits: SafetyLimits, period_s: float, *, paced: bool = False) -> None:
        timing = limits.timing
        self._t = period_s
        self._limits = limits
        self._guard = SampleGuard(limits, period_s)
        self._shapers = [JointShaper(joint, limits, period_s) for joint in limits.joints]
        self._walls = [JointWall(joint) for joint in limits.joints]
        self._source = ActiveSource(limits, period_s)
        self._tested = TestedLines(HomingSchedule(limits, period_s))
        self._open = 0
        self._belt = EnvironmentKernel(limits, period_s)
        self.tank = EnergyTank(limits.tank)
        self._inbox = Inbox(limits, permit_longest(limits, period_s, paced), self._belt)
        self._hold_ticks = round(timing.hold_stance_s / period_s)
        self._rolling_ticks = max(self._hold_ticks, round(limits.detect.stops.belt_timeout_s / period_s))
        self._belt_rest = limits.detect.stops.belt_rest_m_s
        self._rolling = False
        self._age_limit = timing.command_max_age_ticks
        self._damp = [joint.damp_nms_rad for joint in limits.joints]
        self._runaway_nm = limits.detect.drives.runaway_nm
        self._runaway_ticks = limits.detect.drives.runaway_ticks
        self._mode = int(Mode.DAMP)
        self._holding = 0
        self._locked = True  # one that is made anew in the middle of training drives nothing
        self._now = [0.0] * N_JOINTS
        self._last_speed = [0.0] * N_JOINTS
        self._low = [0.0] * N_JOINTS
        self._high = [0.0] * N_JOINTS
        self._protective = [0.0] * N_JOINTS
        self._damping = [0.0] * N_JOINTS
        self._breach = [0] * N_JOINTS
        self._bits = [0] * N_JOINTS
        self._request = [0.0] * N_JOINTS
        self._safe_off = 0
        self._reason = 0

    def step(
        self,
        seq: int,
        exo: ExoState,
        environment: EnvironmentState,
        command: AssistCommand | None,
        environment_command: EnvironmentCommand | None,
        permit: SafetyPermit | None,
    ) -> KernelOutput:
        """Return the safe outputs of tick ``seq``; never raises, whatever the arguments are.

        A message that did not come in time is None. Whatever can't be used is refused, counted and
        named in the reason bits.
        """
        try:
            return self._step(seq, exo, environment, command, environment_command, permit)
        except Exception:  # the last resort must be a safe output, not a traceback
            self._locked = True
            self._mode = int(Mode.DAMP)
            self._now = [0.0] * N_JOINTS
            self._low, self._high = [0.0] * N_JOINTS, [0.0] * N_JOINTS
            self._protective, self._damping = [0.0] * N_JOINTS, self._damp.copy()
            self._tested.clear()
            return self._panic(seq if whole(seq) else 0)

    # ------------------------------------------------------------------ one tick

    def _step(
        self,
        seq: int,
        exo: ExoState,
        environment: EnvironmentState,
        command: AssistCommand | None,
        environment_command: EnvironmentCommand | None,
        permit: SafetyPermit | None,
    ) -> KernelOutput:
        self._reason = 0
        self._guard.step(seq, exo)
        readable = not self._guard.problem
        self._account(exo if readable else None)
        environment_seen = self._see(environment)
        self._rolling = (
            environment_seen is not None and abs(environment_seen.belt_speed_m_s) > self._belt_rest
        )
        damp = not readable or environment_seen is None
        damp |= self._inbox.take(seq, command, environment_command, permit)
        self._reason |= self._inbox.bits
        if readable and not self._tested.closed(exo):
            damp = True
        mode = self._choose(seq, damp)
        if readable:
            self._source.see_feet(exo, self._guard.values)
        permit = self._inbox.permit
        scale = permit.scale if permit is not None else 1.0
        if mode == codes.TRAIN and scale < 1.0:
            self._reason |= codes.PERMIT_SCALE
        self._source.fill(mode, scale, self._guard.angle, self._now, self._inbox.order)
        self._test_lines(exo if readable else None, mode == codes.HOMING)
        self._shape(mode, exo if readable else None, scale)
        self._protect(mode)
        self._mode = mode
        age = seq - self._inbox.environments.last
        out = self._belt.step(seq, environment_seen, mode, permit, age)
        self._reason |= self._belt.bits
        return self._output(seq, out)

    def _account(self, exo: ExoState | None) -> None:
        """Find the torque of this moment, book the last tick's work, and compare with the sensor."""
        guard, source, now = self._guard, self._source, self._now
        injected = absorbed = 0.0
        for i, (feed, stiffness, damping, reference, aim, angle, speed, last, low, high, before) in enumerate(
            zip(
                source.torque, source.stiffness, source.damping, source.reference, source.speed,
                guard.angle, guard.speed, self._last_speed, self._low, self._high, now, strict=True,
            )
        ):  # fmt: skip
            wish = feed + stiffness * (reference - angle) + damping * (aim - speed)
            torque = low if wish < low else (high if wish > high else wish)
            work = 0.25 * (torque + before) * (speed + last) * self._t
            if work > 0.0:
                injected += work
            else:
                absorbed -= work
            now[i] = torque
        if exo is not None and exo.available & codes.HAS_TORQUE:
            self._compare(guard.values[_MOTOR])
        self._last_speed = guard.speed
        budget = self.tank.refill_w * self._t if self._mode == codes.TRAIN else 0.0
        self.tank.account(injected, absorbed, budget)

    def _compare(self, measured: list[float]) -> None:
        """Take the power from a joint whose motor torque, by its current, leaves what was allowed.

        What was counted still counts after ticks without a measurement: a sample lost now and then must not
        hide a runaway.
        """
        guard, breach = self._guard, self._breach
        for i, (torque, speed, quality, damping, protective, low, high) in enumerate(
            zip(
                measured, guard.speed, guard.quality, self._damping, self._protective, self._low, self._high,
                strict=True,
            )
        ):  # fmt: skip
            brake = damping * speed
            other = protective - brake
            room = self._runaway_nm + abs(brake)
            if quality != GOOD:
                continue
            if low + other - room <= torque <= high + other + room:
                breach[i] = 0
                continue
            breach[i] += 1
            if breach[i] >= self._runaway_ticks:
                self._safe_off |= 1 << i

    def _test_lines(self, exo: ExoState | None, homing: bool) -> None:
        """Open a line of the emergency stop if its turn in the self-test has come and the device can."""
        self._open = self._source.lines if exo is not None and exo.available & codes.HAS_ESTOP_TEST else 0
        self._tested.step(self._open, homing)
        self._reason |= reasons(self._open)

    def _see(self, environment: EnvironmentState) -> EnvironmentState | None:
        if self._belt.readable(environment):
            return environment
        self._reason |= codes.NOT_FINITE
        return None

    def _choose(self, seq: int, damp: bool) -> int:
        """Return the mode of this tick: the permit's, or the kernel's own fallback."""
        inbox = self._inbox
        permit = inbox.permit_at(seq)
        if permit is not None and permit.mode in _ACKNOWLEDGING:
            self._locked = False
            if permit.mode == codes.ZERO:
                self._safe_off = 0
        if damp:
            return self._fall_back(support=False)
        if permit is None:
            self._reason |= codes.PERMIT_MISSING
            return self._fall_back(self._mode in _SUPPORTING)
        if permit.mode == codes.TRAIN:
            if inbox.order is None or seq - inbox.commands.last > self._age_limit:
                self._reason |= codes.COMMAND_STALE
                return self._fall_back(self._mode in _SUPPORTING)
            if self._locked:
                self._reason |= codes.PERMIT_MODE
                return self._fall_back(self._mode in _SUPPORTING)
        elif permit.mode == codes.HOLD_STANCE:
            return self._held()
        self._holding = 0
        return int(permit.mode)

    def _fall_back(self, support: bool) -> int:
        """Enter a fallback; TRAIN then needs an acknowledging permit of STAND or below first."""
        self._reason |= codes.FALLBACK
        self._locked = True
        return self._held() if support else codes.DAMP

    def _held(self) -> int:
        """Return HOLD_STANCE for as long as it may last without interruption, then DAMP.

        On a belt that still moves it lasts until the belt rests or must have come to rest: legs that give way
        on a moving belt fall.
        """
        self._holding += 1
        if self._holding <= (self._rolling_ticks if self._rolling else self._hold_ticks):
            return codes.HOLD_STANCE
        self._holding = self._rolling_ticks  # a belt that is pushed afterwards does not lock the legs again
        return codes.DAMP

    def _shape(self, mode: int, exo: ExoState | None, scale: float) -> None:
        """Set the window of each joint from this tick's order, which has ``scale`` in it, and its state."""
        guard, source = self._guard, self._source
        cuffs = guard.values[_CUFF] if exo is not None and exo.available & codes.HAS_CUFF else None
        cuff_valid = exo.segment_valid if exo else 0
        offer, off = self.tank.offer_w(), self._safe_off
        # What the controller has asked for is told as it would be at full effort.
        full = 1.0 / scale if mode == codes.TRAIN and scale > 0.0 else 1.0
        for i, shaper in enumerate(self._shapers):
            angle, speed = guard.angle[i], guard.speed[i]
            request = source.torque[i] + source.stiffness[i] * (source.reference[i] - angle)
            request += source.damping[i] * (source.speed[i] - speed)
            quality = guard.quality[i]
            cap = source.cap[i]
            bits = source.bits[i]
            if quality != GOOD:
                bits |= codes.SAMPLE_MISSING if guard.missing >> i & 1 else codes.SAMPLE_REJECTED
            if quality == LOST or off >> i & 1 or cap == 0.0:
                shaper.close(self._now[i])
                self._low[i] = self._high[i] = 0.0
                bits |= codes.RESIDUAL if off >> i & 1 else 0
            else:
                cuff = cuffs[i] if cuffs is not None and cuff_valid >> i & 1 else 0.0
                shaper.window(angle, speed, request, self._now[i], cap, cuff, offer)
                self._low[i], self._high[i] = shaper.low, shaper.high
                bits |= shaper.bits
            self._bits[i] = bits
            request *= full
            if not -_REQUEST_MAX <= request <= _REQUEST_MAX:
                request = _REQUEST_MAX if request > 0.0 else -_REQUEST_MAX
            self._request[i] = request

    def _protect(self, mode: int) -> None:
        """Set the protective part: walls except in ZERO, damping where there is no support."""
        guard, cap = self._guard, self._source.cap
        powered, damped, held = mode != codes.ZERO, mode == codes.DAMP, mode == codes.HOLD_STANCE
        for i, wall in enumerate(self._walls):
            lost = guard.quality[i] == LOST
            torque = 0.0
            if powered and not lost:
                wall.step(guard.angle[i], guard.speed[i])
                torque = wall.torque
                self._bits[i] |= wall.bits
            self._protective[i] = torque
            free = damped or (held and cap[i] == 0.0) or (lost and powered)
            self._damping[i] = self._damp[i] if free else 0.0

    # ------------------------------------------------------------------ outputs

    def _output(self, seq: int, environment: EnvironmentCommand) -> KernelOutput:
        union = self._reason
        for bits in self._bits:
            union |= bits
        if self._guard.problem:
            union |= codes.NOT_FINITE
        rows, reasons = self._vectors()
        torque, stiffness, damping, reference, speed, low, high, protective, brake, request = rows
        return KernelOutput(
            drive=DriveCommand(
                torque, stiffness, damping, reference, speed, low, high, protective, brake, self._safe_off
            ),
            environment=environment,
            requested_nm=request,
            reasons=reasons,
            reason=union,
            mode=self._mode,
            tank_j=self.tank.energy_j,
            command_age_ticks=self._inbox.commands.age(seq),
            environment_age_ticks=self._inbox.environments.age(seq),
            permit_age_ticks=self._inbox.permits.age(seq),
            rejected_messages=self._inbox.rejected,
            estop_test=self._open,
        )

    def _vectors(self) -> tuple[NDArray[np.float64], NDArray[np.uint32]]:
        """Return the rows of the output, (10, 6): those of the drives' order, then the request; and reasons.

        They are packed as bytes because that takes a third of the time of making an array of lists.
        """
        source, low, high = self._source, self._low, self._high
        torque, stiffness, damping = source.torque, source.stiffness, source.damping
        for i in range(N_JOINTS):
            if low[i] == high[i] == 0.0:
                # A closed window: the drive is told nothing that it would have to cut off.
                torque[i] = stiffness[i] = damping[i] = 0.0
        packed = bytearray(_ROWS.size)
        _ROWS.pack_into(
            packed, 0, *torque, *stiffness, *damping, *source.reference, *source.speed,
            *low, *high, *self._protective, *self._damping, *self._request, *self._bits,
        )  # fmt: skip
        rows = np.frombuffer(packed, count=10 * N_JOINTS).reshape(10, N_JOINTS)
        return rows, np.frombuffer(packed, np.uint32, N_JOINTS, _REASONS_AT)

    def _panic(self, seq: int) -> KernelOutput:
        """Return damping, the belt to rest and the harness held, from constants only."""
        reasons = int(codes.FALLBACK | codes.NOT_FINITE)
        return KernelOutput(
            drive=DriveCommand(protective_damping_nms_rad=np.array(self._damp), safe_off=self._safe_off),
            environment=EnvironmentCommand(
                seq=seq,
                time_s=seq * self._t,
                belt_acceleration_m_s2=self._limits.belt.stop_m_s2,
                unloading_percent=0.0,
                harness_action=HarnessAction.HOLD,
                belt_stop=self._belt.stopped,
            ),
            requested_nm=np.zeros(N_JOINTS),
            reasons=np.full(N_JOINTS, reasons, dtype=np.uint32),
            reason=reasons,
            mode=int(Mode.DAMP),
            tank_j=self.tank.energy_j,
            command_age_ticks=self._inbox.commands.age(seq),
            environment_age_ticks=self._inbox.environments.age(seq),
            permit_age_ticks=self._inbox.permits.age(seq),
            rejected_messages=self._inbox.rejected,
        )
