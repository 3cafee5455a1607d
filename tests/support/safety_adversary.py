"""A world for tests that try to break the safety layer, and what must hold in every tick of it.

:class:`Rig` steps the real supervisor and the real kernel; whoever uses it may change, delay, repeat, damage
or drop every message. :class:`Authority` and :class:`Promises` judge what comes out. They are written from
the requirements (docs/safety.md), not from the code: they know permits, orders and buttons as they were
sent, and the limits.
"""

from __future__ import annotations

from collections import deque
from dataclasses import fields, replace
from math import isfinite, sin
from typing import Any

import numpy as np
from safety_world import ALL, PERIOD, applied_from, exo_state

from exostride.safety.component import OperatorRequest, SafetyComponent
from exostride.safety.inbox import permit_longest
from exostride.safety.kernel import SafetyKernel
from exostride.safety.limits import SafetyLimits
from exostride.types import (
    AppliedTorque,
    AssistCommand,
    EnvironmentCommand,
    EnvironmentState,
    GaitPhase,
    HarnessAction,
    KernelOutput,
    Mode,
    SafetyPermit,
    SafetyState,
    SessionState,
    Signal,
    SupervisorState,
)

S = SupervisorState
STARTED = (S.HOMING, S.STAND, S.TRAIN, S.STOPPING)
POWERED = (Mode.HOLD_STANCE, Mode.HOMING, Mode.STAND, Mode.TRAIN)
ACKNOWLEDGING = (Mode.ZERO, Mode.DAMP, Mode.HOMING, Mode.STAND)
EPS = 1e-9
MOST_ACCEL = 60.0
LOWEST, HIGHEST = np.array([-0.55, -0.05, -0.6] * 2), np.array([1.35, 1.8, 0.45] * 2)
CONFIRM_TICKS = 100
"""Ticks that the harness takes to do and confirm what it is told."""
SETTLE_TICKS = 12
"""Ticks after a lie of the joint sensors in which nobody knows what the drives gave."""


TESTED_S = 0.04
"""For which the self-test may order a line of the emergency stop open."""
EXCUSED_S = 0.03
"""In which a line must have closed after the last such order."""
BLANK = exo_state(0)


class Rig:
    """Supervisor, kernel, and legs that go where they are told to and drives that obey exactly.

    ``exo``, ``env``, ``command``, ``belt`` and ``permit`` hold changes to the messages of the coming ticks by
    field; ``lose`` names messages that do not come; ``echo`` replaces a message by one sent before. A device
    that ``tests_lines`` opens the lines of its emergency stop as the kernel orders, unless they are
    ``stuck`` (bits); one that is pressed is open anyway.
    """

    def __init__(self, limits: SafetyLimits, paced: bool = False, tests_lines: bool = False) -> None:
        self.limits = limits
        self.rotor = np.array([joint.armature_kg_m2 for joint in limits.joints])
        self.kernel = SafetyKernel(limits, PERIOD, paced=paced)
        self.component = SafetyComponent(limits, PERIOD, paced=paced)
        self.seq = 0
        self.request = int(S.IDLE)
        self.calm()
        self.tests_lines, self.tested = tests_lines, 0
        self.operators: tuple[OperatorRequest, ...] = ()
        self.motion = (0.0, 0.0)
        self.angle = np.array([0.1, 0.1, 0.0, 0.1, 0.1, 0.0])
        self.speed = np.zeros(6)
        self.belt_speed = self.belt_target = 0.0
        self.harness, self.harness_ticks = int(HarnessAction.HOLD), 0
        self.torque = np.zeros(6)
        self.state = SafetyState(seq=0, time_s=0.0)
        self.applied: AppliedTorque | None = None
        self.phase: GaitPhase | None = None
        self.sent: dict[str, deque[Any]] = {}
        self.out: KernelOutput | None = None
        self.promises = Promises(limits, permit_longest(limits, PERIOD, paced))

    def calm(self) -> None:
        """Let everything be in order again."""
        self.exo: dict[str, Any] = {}
        self.env: dict[str, Any] = {}
        self.command: dict[str, Any] = {}
        self.belt: dict[str, Any] = {}
        self.permit: dict[str, Any] = {}
        self.lose: set[str] = set()
        self.echo: dict[str, int] = {}
        self.stuck = 0

    def swing(self, amplitude_rad: float, rate_rad_s: float) -> None:
        """Let the legs swing about the posture they stand in."""
        self.motion = (amplitude_rad, rate_rad_s)

    def move(self) -> None:
        """Move the legs on by a tick, no jerkier than legs can be."""
        amplitude, rate = self.motion
        aim = np.array([1.0, 0.5, 0.3, -1.0, 0.5, 0.3]) * amplitude * rate * sin(rate * self.seq * PERIOD)
        speed = self.speed + np.clip(aim - self.speed, -MOST_ACCEL * PERIOD, MOST_ACCEL * PERIOD)
        angle = self.angle + 0.5 * PERIOD * (speed + self.speed)
        ends = (angle < LOWEST) | (angle > HIGHEST)
        self.angle, self.speed = np.clip(angle, LOWEST, HIGHEST), np.where(ends, 0.2 * speed, speed)

    @property
    def honest(self) -> bool:
        """Whether the joint sensors say where the legs are."""
        return not self.echo.get("exo") and not {
            "angle_rad",
            "velocity_rad_s",
            "available",
            "joint_valid",
        } & set(self.exo)

    def tick(self) -> None:
        """Run one tick and check every promise."""
        k = self.seq
        before = self.speed
        self.move()
        angle, speed = self.angle, self.speed
        measured = self.exo.get("angle_rad", angle), self.exo.get("velocity_rad_s", speed)
        active = self._drives(*measured)
        # Sensors of a living machine are never still: a little of everything, different in each tick.
        alive = np.array([sin(1.0 + 7.0 * k + i) for i in range(6)])
        usual = {
            "available": ALL | (int(Signal.ESTOP_TEST) if self.tests_lines else 0),
            "angle_rad": angle,
            "velocity_rad_s": speed,
            "joint_torque_nm": self.torque - self.rotor * (speed - before) / PERIOD + 0.1 * alive,
            "motor_torque_nm": self.torque + 0.1 * alive,
            "foot_load_n": np.array([200.0, 150.0, 200.0, 150.0]) + alive[:4],
            "segment_angle_rad": segments(angle),
            "segment_rate_rad_s": segments(speed),
        }
        exo = replace(exo_state(k), **{**usual, **self.exo})
        opened = self.tested & ~self.stuck
        exo = replace(
            exo,
            estop_closed_a=exo.estop_closed_a and not opened & 1,
            estop_closed_b=exo.estop_closed_b and not opened & 2,
        )
        exo = self._stale("exo", exo)
        env = EnvironmentState(
            seq=k, time_s=k * PERIOD, belt_speed_m_s=self.belt_speed, belt_target_m_s=self.belt_target,
            harness_action=self.harness, harness_confirmed=self.harness_ticks > CONFIRM_TICKS,
        )  # fmt: skip
        env = self._stale("env", replace(env, **self.env))
        command = AssistCommand(seq=k, time_s=k * PERIOD, torque_nm=np.full(6, 15.0))
        command = self._stale("command", replace(command, **self.command))
        belt = EnvironmentCommand(
            seq=k, time_s=k * PERIOD, belt_speed_m_s=0.4, belt_acceleration_m_s2=0.3, unloading_percent=30.0
        )
        belt = self._stale("belt", replace(belt, **self.belt))
        session = SessionState(seq=k, time_s=k * PERIOD, requested_state=self.request, effective_seq=k)
        session = self._stale("session", session)
        given = None if "command" in self.lose else command
        ordered = None if "belt" in self.lose else belt
        permit = self._supervise(exo, env, session)
        self.out = self.kernel.step(k, exo, env, given, ordered, permit)
        self._advance(given, ordered, permit)
        self.promises.judge(self, exo, given, ordered, permit, active)
        self.seq += 1

    def run(self, n: int) -> None:
        for _ in range(n):
            self.tick()

    def _stale(self, name: str, fresh: Any) -> Any:
        """Return the message of some ticks ago in place of this one, if so wished."""
        kept = self.sent.setdefault(name, deque(maxlen=12))
        kept.append(fresh)
        return kept[max(0, len(kept) - 1 - self.echo.get(name, 0))]

    def _supervise(self, exo: Any, env: Any, session: Any) -> SafetyPermit | None:
        """Step the supervisor, unless it is dead; return its permit as it reaches the kernel."""
        if "supervisor" in self.lose:
            return None
        permit, self.state, _ = self.component.step(
            self.seq, exo, env,
            None if "applied" in self.lose else self.applied,
            None if "phase" in self.lose else self.phase,
            self.sent["command"][-1] if "command" not in self.lose else None,
            None if "session" in self.lose else session,
            self.operators,
        )  # fmt: skip
        self.operators = ()
        permit = self._stale("permit", replace(permit, **self.permit) if self.permit else permit)
        return None if "permit" in self.lose else permit

    def _drives(self, angle: Any, speed: Any) -> np.ndarray | None:
        """Return the active torque that last tick's order gives at this state, None if it can't be known."""
        if self.out is None:
            return np.zeros(6)
        if not all(
            isinstance(v, np.ndarray) and v.shape == (6,) and np.isfinite(v).all() for v in (angle, speed)
        ):
            return None
        active = follow(self.out, angle, speed)
        self.torque = active + protection(self.out, speed)
        return active

    def _advance(self, given: Any, ordered: Any, permit: Any) -> None:
        assert self.out is not None
        self.tested = self.out.estop_test if self.tests_lines else 0
        angle, speed = self.angle, self.speed
        mean = follow(self.out, angle, speed) + protection(self.out, speed)
        target, ramp = self.out.environment.belt_speed_m_s, self.out.environment.belt_acceleration_m_s2
        self.belt_target = target
        self.belt_speed += min(max(target - self.belt_speed, -ramp * PERIOD), ramp * PERIOD)
        action = int(self.out.environment.harness_action)
        self.harness_ticks = self.harness_ticks + 1 if action == self.harness else 0
        self.harness = action
        flags = (given is not None, ordered is not None, permit is not None)
        self.applied = applied_from(self.seq, self.out, mean, flags)
        self.phase = GaitPhase(seq=self.seq, time_s=self.seq * PERIOD)


def shaped(exo: Any) -> bool:
    """Return whether every vector of a state is one of floats, and as long as it should be."""
    pairs = [(getattr(exo, f.name), getattr(BLANK, f.name)) for f in fields(BLANK)]
    return all(
        isinstance(value, np.ndarray) and (value.shape, value.dtype) == (blank.shape, blank.dtype)
        for value, blank in pairs
        if isinstance(blank, np.ndarray)
    )


def segments(joint: np.ndarray) -> np.ndarray:
    """Return thigh, shank and foot of both legs of joint angles, or rates, with a still pelvis."""
    hip, knee, ankle = joint[[0, 3]], joint[[1, 4]], joint[[2, 5]]
    rows = np.stack([hip, hip - knee, hip - knee + ankle])
    return rows.T.ravel()


def follow(out: KernelOutput, angle: np.ndarray, speed: np.ndarray) -> np.ndarray:
    """Return the active torque that exact drives give for an order at this state."""
    d = out.drive
    active = d.torque_nm + d.stiffness_nm_rad * (d.reference_rad - angle)
    return np.clip(active + d.damping_nms_rad * (d.reference_velocity_rad_s - speed), d.low_nm, d.high_nm)


def protection(out: KernelOutput, speed: np.ndarray) -> np.ndarray:
    """Return the protective torque of an order at this speed."""
    return out.drive.protective_nm - out.drive.protective_damping_nms_rad * speed


class Authority:
    """Which permit is in force, by the messages sent: in order, once each, never from the future."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._last = -1
        self.permit: SafetyPermit | None = None

    def see(self, k: int, sent: SafetyPermit | None) -> SafetyPermit | None:
        """Take a permit in; return the one in force at tick ``k``."""
        if (
            sent is not None
            and type(sent.seq) is int
            and self._last < sent.seq <= k <= sent.seq + self._longest
        ):
            self._last = sent.seq
            if not self._sound(sent):
                self.permit = None
            elif sent.expiry_seq >= sent.seq:
                self.permit = sent
        if self.permit is not None and not self.permit.seq <= k <= self.permit.expiry_seq:
            self.permit = None
        return self.permit

    def _sound(self, sent: SafetyPermit) -> bool:
        numbers = (sent.scale, sent.belt_limit_m_s)
        return (
            all(isinstance(n, (int, float)) and isfinite(n) and n >= 0.0 for n in numbers)
            and sent.scale <= 1.0
            and sent.mode in list(Mode)
            and sent.harness_action in list(HarnessAction)
            and type(sent.expiry_seq) is int
            and 0 <= sent.expiry_seq < sent.seq + self._longest
        )


class Promises:
    """What must hold in every tick. Raises AssertionError with the promise that was broken."""

    def __init__(self, limits: SafetyLimits, longest: int) -> None:
        self.limits = limits
        self.authority = Authority(longest)
        self.modes: dict[int, int] = {}
        """Ticks seen in each mode, to show that a search came anywhere."""
        self.excused = 0
        """Ticks in which a line was open because it was tested."""
        self._tested = (0, -1)
        """The line that was ordered open last (1 for a, 2 for b), and in which tick."""
        self._tests = {1: 0, 2: 0}
        self._honest = 0
        self._unauthorised = 0
        self._locked = True
        self._orders: deque[int] = deque(maxlen=64)
        self._past: list[deque[float]] = [deque([0.0], maxlen=10) for _ in range(6)]
        self._active = np.zeros(6)
        self._unloading: float | None = None
        self._stopped = False
        self._latched = False
        self._may_start = True

    # -------------------------------------------------------------- what people did

    def started(self) -> None:
        """Note that a person, or the session by asking for IDLE first, may start motion."""
        self._may_start = True

    def may_be_reset(self) -> None:
        """Note that a reset is asked for: the next tick may leave a latched stop."""
        self._latched = False

    def reset(self, rig: Rig) -> None:
        """Note that the tick just run accepted a reset: nothing may move until somebody starts."""
        self._may_start = False
        assert rig.out is not None
        self._at_rest(rig, rig.out)

    # -------------------------------------------------------------- one tick

    def judge(self, rig: Rig, exo: Any, given: Any, ordered: Any, permit: Any, active: Any) -> None:
        """Check the tick that the rig has just run."""
        k, out = rig.seq, rig.out
        assert out is not None
        self.modes[out.mode] = self.modes.get(out.mode, 0) + 1
        if given is not None and type(given.seq) is int and k - 2 <= given.seq <= k:
            self._orders.append(given.seq)
        self._honest = self._honest + 1 if rig.honest and active is not None else 0
        if active is not None:
            self._smooth(active, self._honest > SETTLE_TICKS)
        valid = self.authority.see(k, permit)
        self._bounded(out)
        self._authorised(k, out, valid)
        self._emergency_stop(rig, out, exo)
        self._environment(out, valid)
        self._supervisor(rig, out)
        tank = rig.kernel.tank
        assert tank.injected_j <= tank.initial_j + tank.absorbed_j + tank.budget_j + 1e-6 - min(
            0.0, tank.energy_j
        )

    def _bounded(self, out: KernelOutput) -> None:
        """Every number is finite and within limits."""
        drive = out.drive
        rows = (drive.torque_nm, drive.stiffness_nm_rad, drive.damping_nms_rad, drive.reference_rad,
                drive.reference_velocity_rad_s, drive.low_nm, drive.high_nm, drive.protective_nm,
                drive.protective_damping_nms_rad, out.requested_nm)  # fmt: skip
        assert all(row.shape == (6,) and np.isfinite(row).all() for row in rows)
        for i, joint in enumerate(self.limits.joints):
            assert -joint.torque_nm <= drive.low_nm[i] <= drive.high_nm[i] <= joint.torque_nm
            assert abs(drive.protective_nm[i]) <= joint.protective_nm
            assert drive.protective_damping_nms_rad[i] in (0.0, joint.damp_nms_rad)
            softest = joint.hold_stiffness_nm_rad
            assert 0.0 <= drive.stiffness_nm_rad[i] <= max(joint.stiffness_nm_rad, softest) + EPS
            most = max(joint.damping_nms_rad, joint.hold_damping_nms_rad)
            assert 0.0 <= drive.damping_nms_rad[i] <= most + EPS
            if out.mode == Mode.TRAIN:
                assert joint.angle_min_rad - EPS <= drive.reference_rad[i] <= joint.angle_max_rad + EPS
                assert abs(drive.reference_velocity_rad_s[i]) <= joint.velocity_rad_s + EPS

    def _authorised(self, k: int, out: KernelOutput, valid: SafetyPermit | None) -> None:
        """No torque without a permit, beyond the bounded HOLD_STANCE."""
        drive = out.drive
        powered = bool(drive.low_nm.any() or drive.high_nm.any())
        if valid is None:
            assert out.mode in (Mode.HOLD_STANCE, Mode.DAMP), "a powered mode without a permit"
            self._unauthorised += 1
            # While the belt runs the stance is held until it rests.
            longest = max(self.limits.timing.hold_stance_s, self.limits.detect.stops.belt_timeout_s)
            bound = round(longest / PERIOD)
            assert not powered or self._unauthorised <= bound, "active torque without a permit"
        else:
            self._unauthorised = 0
            assert out.mode in (valid.mode, Mode.HOLD_STANCE, Mode.DAMP), "another mode than permitted"
        assert not powered or out.mode in POWERED
        if valid is not None and valid.mode in ACKNOWLEDGING:
            self._locked = False
        if out.mode == Mode.TRAIN:
            assert not self._locked, "training resumed by itself"
            assert self._orders and k - max(self._orders) <= 2, "training without a fresh order"
        if valid is None or out.mode != valid.mode:
            self._locked = True

    def _emergency_stop(self, rig: Rig, out: KernelOutput, exo: Any) -> None:
        """A line that is open damps in that tick, but for the one that the self-test has just opened.

        That is the last one that the kernel ordered open, in HOMING, within :data:`EXCUSED_S`. The supervisor
        latches for the same lines.
        """
        k = rig.seq
        line, when = self._tested
        excused = line if k - when <= round(EXCUSED_S / PERIOD) else 0
        open_ = (not exo.estop_closed_a) + 2 * (not exo.estop_closed_b)
        if open_ & ~excused:
            assert out.mode == Mode.DAMP, "an open emergency stop did not damp"
            if "supervisor" not in rig.lose and shaped(exo):
                assert rig.state.state in (S.E_STOP, S.FAULT), "an open emergency stop was not latched"
        elif open_ and out.mode != Mode.DAMP:
            self.excused += 1
        self._self_test(k, out, exo)

    def _self_test(self, k: int, out: KernelOutput, exo: Any) -> None:
        """Lines are opened one at a time, each for a moment in a self-test, and only where that can be."""
        now = out.estop_test
        if out.mode != Mode.HOMING:
            self._tests = {1: 0, 2: 0}
            assert now == 0, "a line was opened outside HOMING"
        if not now:
            return
        assert now in self._tests, "both lines were opened at once"
        assert exo.available & Signal.ESTOP_TEST, "a device without a test output was told to test"
        line, when = self._tested
        assert now == line or k - when > round(EXCUSED_S / PERIOD), "the other line had not had its rest"
        self._tests[now] += 1
        assert self._tests[now] <= round(TESTED_S / PERIOD), "a line was opened for too long"
        self._tested = (now, k)

    def _smooth(self, active: np.ndarray, known: bool) -> None:
        """Torque leaves zero no faster than the slew limit, and within 50 ms no further than the window."""
        for i, joint in enumerate(self.limits.joints):
            now, last = active[i], self._active[i]
            for sign in (1.0, -1.0):
                up, before = sign * now, sign * last
                if known and up > max(before, 0.0) + EPS:
                    assert up - before <= joint.slew_nm_s * PERIOD + 1e-6, "slew"
                    lowest = min(sign * past for past in self._past[i])
                    assert up - lowest <= joint.window_nm + 1e-6, "a burst passed the window"
            self._past[i].append(now)
        self._active = active.copy()

    def _environment(self, out: KernelOutput, valid: SafetyPermit | None) -> None:
        """The belt moves in TRAIN alone; unloading and harness stay within limits."""
        limits, word = self.limits.belt, out.environment
        assert 0.0 <= word.belt_speed_m_s <= limits.speed_m_s
        assert 0.0 <= word.belt_acceleration_m_s2 <= max(limits.acceleration_m_s2, limits.stop_m_s2)
        if word.belt_speed_m_s > 0.0:
            assert out.mode == Mode.TRAIN and valid is not None, "the belt moves without a permit"
            assert word.belt_speed_m_s <= valid.belt_limit_m_s and not word.belt_stop
        elif valid is None:
            assert word.belt_acceleration_m_s2 == limits.stop_m_s2, "no permit, and the belt is not braked"
        if self._stopped and not (valid is not None and out.mode == Mode.ZERO):
            assert word.belt_stop, "the contactor closed by itself"
        self._stopped = word.belt_stop
        assert 0.0 <= word.unloading_percent <= limits.unloading_percent
        if self._unloading is not None:
            step = abs(word.unloading_percent - self._unloading)
            assert step <= limits.unloading_rate_percent_s * PERIOD + 1e-6 or word.unloading_percent == 0.0
        self._unloading = word.unloading_percent
        least = (
            HarnessAction.HOLD if valid is None or out.mode in (Mode.ZERO, Mode.DAMP, Mode.HOLD_STANCE) else 0
        )
        asked = valid.harness_action if valid is not None else HarnessAction.HOLD
        assert word.harness_action in list(HarnessAction) and word.harness_action >= max(least, asked)

    def _supervisor(self, rig: Rig, out: KernelOutput) -> None:
        """Stops stay latched; after a reset nothing moves until it is started."""
        state = rig.state
        if self._latched:
            assert state.latched, "a latched stop was left without a reset"
        self._latched = state.latched
        if not self._may_start:
            self._at_rest(rig, out)

    @staticmethod
    def _at_rest(rig: Rig, out: KernelOutput) -> None:
        assert rig.state.state not in STARTED, "motion after a reset without a start"
        assert out.mode in (Mode.ZERO, Mode.DAMP, Mode.HOLD_STANCE), "power after a reset without a start"
        assert out.environment.belt_speed_m_s == 0.0
