"""What a drive may not do, each bound from both sides and to the tick."""

from __future__ import annotations

from dataclasses import replace
from math import inf, nextafter
from typing import Any

import numpy as np
import pytest
from safety_faults import looks
from safety_world import PERIOD, exo_state

from exostride.safety.detect_drives import DeviceDetector, RunawayDetector, TrackingDetector
from exostride.safety.faults import Finding
from exostride.safety.guard import HELD, LOST
from exostride.safety.limits import SafetyLimits
from exostride.safety.snapshot import Snapshot
from exostride.types import Action, AppliedTorque, DeviceFault, Mode, Reason, SupervisorState

S = SupervisorState
NAMES = ("hip left", "knee left", "ankle left", "hip right", "knee right", "ankle right")
JOINTS = range(6)


def at(joint: int, value: float) -> list[float]:
    return [value if i == joint else 0.0 for i in JOINTS]


def tick(
    limits: SafetyLimits,
    asked: list[float] | None = None,
    mean: list[float] | None = None,
    peak: list[float] | None = None,
    felt: list[float] | None = None,
    reasons: int = 0,
    **changes: Any,
) -> Snapshot:
    """One tick of training as the detectors see it: torque asked for, given by the drive, and felt."""
    asked, mean = asked or at(0, 0.0), mean or at(0, 0.0)
    words = np.full(6, reasons, dtype=np.uint32)
    applied = AppliedTorque(0, 0.0, reasons=words, mode=int(changes.pop("mode", Mode.TRAIN)))
    (snap,) = looks(limits, [exo_state(1)], applied)
    snap.done = [*asked, *mean, *(mean if peak is None else peak)]
    snap.torque = felt or at(0, 0.0)
    for name, value in changes.items():
        setattr(snap, name, value)
    return snap


def run(detector: Any, *snaps: Snapshot) -> list[list[Finding]]:
    """Return what each tick found."""
    told = []
    for snap in snaps:
        found: list[Finding] = []
        detector.step(snap, found)
        told.append(found)
    return told


@pytest.mark.parametrize("joint", JOINTS)
@pytest.mark.parametrize("sign", [1.0, -1.0])
class TestRunaway:
    def test_beyond_the_envelope_for_two_ticks(self, limits: SafetyLimits, joint: int, sign: float) -> None:
        """The envelope reaches from 0 and what the drive gave, mean and peak, by the margin to both sides."""
        room, own = limits.detect.drives.runaway_nm, limits.detect.drives.sign_nm
        assert own < room
        for mean, peak, edge in (
            (0.0, 0.0, room),
            (7.0, 7.0, room + 7.0),
            (0.5, 0.5, room + 0.5),
            (7.0, 12.0, room + 12.0),
            (12.0, 7.0, room + 12.0),
        ):
            given = {"mean": at(joint, sign * mean), "peak": at(joint, sign * peak)}
            inside = tick(limits, felt=at(joint, sign * edge), **given)
            out = tick(limits, felt=at(joint, sign * (edge + 1e-6)), **given)
            assert run(RunawayDetector(limits, PERIOD), inside, inside, inside) == [[], [], []]
            told = Finding("F18", Action.E_STOP, f"{NAMES[joint]} torque")
            assert run(RunawayDetector(limits, PERIOD), out, out, out) == [[], [told], [told]]
            assert run(RunawayDetector(limits, PERIOD), out, inside, out, inside) == [[], [], [], []]

    def test_a_small_torque_against_the_drives_word(
        self, limits: SafetyLimits, joint: int, sign: float
    ) -> None:
        """Below the sign's threshold the margin alone counts, from 0 on."""
        room = limits.detect.drives.runaway_nm
        for given in (7.0, 0.5):
            for edge, told in ((room, 0), (room + 1e-6, 1)):
                snap = tick(limits, mean=at(joint, -sign * given), felt=at(joint, sign * edge))
                assert len(run(RunawayDetector(limits, PERIOD), snap, snap)[1]) == told

    def test_the_rotors_inertia_is_taken_off(self, limits: SafetyLimits, joint: int, sign: float) -> None:
        room = limits.detect.drives.runaway_nm
        rate = 4.0 * PERIOD / limits.joints[joint].armature_kg_m2  # 4 N m of the rotor in one tick
        speeds = [at(joint, sign * rate * (1 + k)) for k in range(3)]
        felt = at(joint, sign * (room - 3.9))
        assert run(RunawayDetector(limits, PERIOD), *(tick(limits, felt=felt, speed=v) for v in speeds))[1]
        felt = at(joint, sign * (room - 4.1))
        found = run(RunawayDetector(limits, PERIOD), *(tick(limits, felt=felt, speed=v) for v in speeds))
        assert found == [[], [], []]

    def test_the_sign_that_the_drive_itself_tells(
        self, limits: SafetyLimits, joint: int, sign: float
    ) -> None:
        enough = limits.detect.drives.sign_nm
        more = enough + 1e-6
        for given, felt, told in (
            (more, more, True),
            (enough, more, False),
            (more, enough, False),
            (more, -more, False),
        ):
            snap = tick(limits, mean=at(joint, sign * given), felt=at(joint, -sign * felt))
            wrong = [Finding("F19", Action.E_STOP, NAMES[joint])] if told else []
            assert run(RunawayDetector(limits, PERIOD), snap, snap) == [[], wrong]
        both = tick(limits, mean=at(joint, sign * 40.0), felt=at(joint, -sign * 40.0))
        assert [f.fault for f in run(RunawayDetector(limits, PERIOD), both, both)[1]] == ["F19"]

    def test_a_reversed_drive_that_believes_itself(
        self, limits: SafetyLimits, joint: int, sign: float
    ) -> None:
        """Its own word has the sign that is felt; what it was asked for has not, now and a tick before."""
        more, detector = limits.detect.drives.sign_nm + 1e-6, RunawayDetector
        felt = at(joint, -sign * more)
        given = {"mean": felt, "felt": felt}
        wrong = tick(limits, asked=at(joint, sign * more), **given)
        told = [Finding("F19", Action.E_STOP, NAMES[joint])]
        assert run(detector(limits, PERIOD), wrong, wrong, wrong) == [[], [], told], "from the second on"
        less = tick(limits, asked=at(joint, sign * (more - 2e-6)), **given)
        assert run(detector(limits, PERIOD), wrong, wrong, less, wrong, wrong, wrong)[2:] == [
            [], [], [], told
        ]  # fmt: skip
        weak = replace(wrong, torque=at(joint, -sign * (more - 2e-6)))
        assert run(detector(limits, PERIOD), wrong, weak, weak, weak) == [[]] * 4
        turned = tick(limits, asked=at(joint, -sign * more), **given)
        assert run(detector(limits, PERIOD), *([wrong, turned] * 4)) == [[]] * 8
        for change in (
            {"reasons": int(Reason.SLEW_LIMIT)},
            {"driven": False},
            {"driven_ticks": round(limits.timing.handover_s / PERIOD)},
        ):
            other = tick(limits, asked=at(joint, sign * more), **given, **change)
            assert run(detector(limits, PERIOD), *[other] * 4) == [[]] * 4, change
        sensitive = with_drives(limits, sign_nm=0.5)
        blunt = {"asked": felt, "mean": felt, "felt": felt}
        limited = tick(limits, reasons=int(Reason.SLEW_LIMIT), **blunt)
        assert run(detector(sensitive, PERIOD), limited, limited, limited) == [[]] * 3
        one = at(joint, -0.7 * sign)
        slight = tick(limits, asked=at(joint, 0.7 * sign), mean=one, felt=one)
        assert run(detector(sensitive, PERIOD), slight, slight, slight) == [[], [], told]
        sound = tick(limits, asked=one, mean=one, felt=one)
        assert run(detector(sensitive, PERIOD), sound, sound, sound) == [[]] * 3
        back = tick(limits, asked=one, mean=one, felt=one)
        assert run(detector(sensitive, PERIOD), slight, back, slight, back, slight) == [[]] * 5
        exact = tick(limits, asked=at(joint, sign * (limits.detect.drives.sign_nm)), **given)
        assert run(detector(limits, PERIOD), exact, exact, exact) == [[]] * 3
        first = tick(
            limits,
            asked=at(joint, sign * more),
            driven_ticks=1 + round(limits.timing.handover_s / PERIOD),
            **given,
        )
        assert run(detector(limits, PERIOD), first, first, first)[2] == told

    def test_in_homing_by_what_is_asked(self, limits: SafetyLimits, joint: int, sign: float) -> None:
        enough = 0.6 * limits.joints[joint].homing_nm
        for asked, felt, told in ((1.01, 1.01, True), (0.99, 1.01, False), (1.01, 0.99, False)):
            snap = tick(
                limits,
                asked=at(joint, sign * enough * asked),
                mean=at(joint, -sign * enough * felt),
                felt=at(joint, -sign * enough * felt),
                state=S.HOMING,
                driven=False,
                mode=Mode.HOMING,
            )
            assert bool(run(RunawayDetector(limits, PERIOD), snap, snap)[1]) is told

    def test_too_fast_while_the_drive_pushes(self, limits: SafetyLimits, joint: int, sign: float) -> None:
        most = limits.joints[joint].velocity_rad_s * limits.detect.drives.overspeed
        told = [Finding("F18", Action.E_STOP, f"{NAMES[joint]} too fast")]

        def fast(speed: float, push: float, **changes: Any) -> Snapshot:
            torque = at(joint, sign * push)
            return tick(limits, mean=torque, felt=torque, speed=at(joint, sign * speed), **changes)

        def seen(snap: Snapshot) -> bool:
            detector = RunawayDetector(limits, PERIOD)
            detector._last_speed = snap.speed  # it has been as fast before
            first, second = run(detector, snap, snap)
            assert first == []
            return second == told

        above = nextafter(most, inf)
        assert seen(fast(above, 5.1)) and not seen(fast(most, 5.1))
        assert not seen(fast(above, 5.0)) and not seen(fast(above, -5.1))
        assert seen(fast(above, 5.1, quality=at_quality(joint, HELD)))
        assert not seen(fast(above, 5.1, quality=at_quality(joint, LOST)))
        blind = fast(above, -5.1)
        blind.torque = None
        assert seen(blind)
        detector = RunawayDetector(limits, PERIOD)
        detector._last_speed = at(joint, sign * above)
        steps = [fast(above, 5.1), fast(above, 1.0), fast(above, 5.1), fast(above, 5.1), fast(0.0, 0.0)]
        assert [bool(f) for f in run(detector, *steps)] == [False, False, False, True, False]
        assert not detector._racing
        detector = RunawayDetector(limits, PERIOD)
        detector._last_speed = at(joint, sign * above)
        steps = [fast(above, 5.1), fast(0.0, 0.0), fast(above, 5.1)]
        for snap in steps:  # the rotor's inertia is another test's
            snap.torque, snap.done = at(joint, sign * 5.1), [0.0] * 18
        detector._rotor = [0.0] * 6
        assert run(detector, *steps) == [[]] * 3
        other = (joint + 1) % 6
        border = fast(above, 1.0)
        border.speed[other] = limits.joints[other].velocity_rad_s * limits.detect.drives.overspeed
        border.torque = [1.0 if i == joint else 5.1 for i in JOINTS]
        border.torque[joint] *= sign
        detector = RunawayDetector(limits, PERIOD)
        detector._last_speed = border.speed
        assert run(detector, border, border, border) == [[]] * 3

    def test_the_kernels_word_is_taken(self, limits: SafetyLimits, joint: int, sign: float) -> None:
        snap = tick(limits)
        reasons = np.zeros(6, dtype=np.uint32)
        reasons[joint] = int(Reason.RESIDUAL | Reason.SLEW_LIMIT)
        reasons[(joint + 1) % 6] = int(Reason.SLEW_LIMIT)
        union = int(Reason.RESIDUAL | Reason.SLEW_LIMIT)
        snap.applied = AppliedTorque(0, 0.0, reasons=reasons, reason=union)
        told = Finding("F18", Action.E_STOP, NAMES[joint])
        assert run(RunawayDetector(limits, PERIOD), snap) == [[told]]
        silent = replace(snap, applied=None)
        detector = RunawayDetector(limits, PERIOD)
        assert run(detector, snap, snap, silent, snap) == [[told], [], [], []], "once, not for ever"
        assert run(detector, tick(limits), snap) == [[], [told]], "and again after the power came back"

    def test_a_motor_that_pushes_without_power(self, limits: SafetyLimits, joint: int, sign: float) -> None:
        reasons = np.zeros(6, dtype=np.uint32)
        reasons[joint] = int(Reason.RESIDUAL)
        off = AppliedTorque(0, 0.0, reasons=reasons, reason=int(Reason.RESIDUAL))
        room = limits.detect.drives.runaway_nm

        def pushed(torque: float, where: int = joint) -> Snapshot:
            state = exo_state(1, motor_torque_nm=np.array(at(where, sign * torque)))
            (snap,) = looks(limits, [state], off)
            return snap

        told = [Finding("F18", Action.E_STOP, NAMES[joint])]
        detector = RunawayDetector(limits, PERIOD)
        steps = [pushed(0.0), pushed(room), pushed(room + 0.1), pushed(room + 0.1), pushed(0.0)]
        assert run(detector, *steps) == [told, [], told, told, []]
        assert run(detector, pushed(80.0, where=(joint + 1) % 6)) == [[]], "that one has its power"
        blind = pushed(80.0)
        blind.torque = None
        assert run(detector, blind) == [[]]


def with_drives(limits: SafetyLimits, **changes: float) -> SafetyLimits:
    drives = limits.detect.drives.model_copy(update=changes)
    return limits.model_copy(update={"detect": limits.detect.model_copy(update={"drives": drives})})


def at_quality(joint: int, quality: int) -> list[int]:
    return [quality if i == joint else 0 for i in JOINTS]


def test_every_joint_is_told(limits: SafetyLimits) -> None:
    far = tick(limits, felt=[26.0] * 6)
    told = [Finding("F18", Action.E_STOP, f"{name} torque") for name in NAMES]
    assert run(RunawayDetector(limits, PERIOD), far, far) == [[], told]
    wrong = tick(limits, mean=[9.0] * 6, felt=[-9.0] * 6)
    told = [Finding("F19", Action.E_STOP, name) for name in NAMES]
    assert run(RunawayDetector(limits, PERIOD), wrong, wrong) == [[], told]


def test_every_motor_that_pushes_without_power_is_told(limits: SafetyLimits) -> None:
    off = AppliedTorque(
        0, 0.0, reasons=np.full(6, int(Reason.RESIDUAL), dtype=np.uint32), reason=int(Reason.RESIDUAL)
    )
    (still,) = looks(limits, [exo_state(1)], off)
    (pushed,) = looks(limits, [exo_state(1, motor_torque_nm=np.full(6, 80.0))], off)
    told = [Finding("F18", Action.E_STOP, ", ".join(NAMES))]
    assert run(RunawayDetector(limits, PERIOD), still, pushed) == [told, told]


def test_a_lost_sample_says_nothing_of_its_torque(limits: SafetyLimits) -> None:
    far = at(1, 90.0)
    assert run(RunawayDetector(limits, PERIOD), *[tick(limits, felt=far, quality=[LOST] * 6)] * 4) == [[]] * 4
    first = tick(limits, felt=far, quality=at_quality(0, LOST))
    told = [Finding("F18", Action.E_STOP, "knee left torque")]
    assert run(RunawayDetector(limits, PERIOD), first, first) == [[], told], "of its own joint only"


@pytest.mark.parametrize("joint", JOINTS)
@pytest.mark.parametrize("sign", [1.0, -1.0])
class TestTracking:
    def ticks(self, limits: SafetyLimits) -> tuple[int, int]:
        drives = limits.detect.drives
        return round(drives.tracking_reduce_s / PERIOD), round(drives.tracking_stop_s / PERIOD)

    def test_reduces_then_stops(self, limits: SafetyLimits, joint: int, sign: float) -> None:
        most, (reduce, stop) = limits.detect.drives.tracking_nm, self.ticks(limits)
        away = tick(limits, asked=at(joint, sign * (most + 1e-6)))
        told = [
            f[0].action if f else Action.NONE for f in run(TrackingDetector(limits, PERIOD), *[away] * stop)
        ]
        assert told == [Action.NONE] * (reduce - 1) + [Action.REDUCE] * (stop - reduce) + [Action.SOFT_STOP]
        good = tick(limits, asked=at(joint, sign * most))
        followed = tick(limits, asked=at(joint, sign * 60.0), mean=at(joint, sign * 60.0))
        assert run(TrackingDetector(limits, PERIOD), *[followed] * reduce) == [[]] * reduce
        assert run(TrackingDetector(limits, PERIOD), *[good] * (reduce + 2)) == [[]] * (reduce + 2)
        mixed = [*[away] * (reduce - 1), good, *[away] * reduce]
        found = run(TrackingDetector(limits, PERIOD), *mixed)
        assert found[:-1] == [[]] * (2 * reduce - 1)
        assert found[-1] == [Finding("F17", Action.REDUCE, NAMES[joint])]

    def test_the_reference_counts_where_a_spring_pulls(
        self, limits: SafetyLimits, joint: int, sign: float
    ) -> None:
        most, (reduce, _) = limits.detect.drives.tracking_rad, self.ticks(limits)

        def ends(stiffness: float, error: float) -> bool:
            orders = [*at(0, 0.0), *at(joint, stiffness), *at(0, 0.0), *at(joint, sign * error), *at(0, 0.0)]
            snap = tick(limits, orders=[*orders, *at(0, 1.0)], angle=at(joint, 0.0))
            return bool(run(TrackingDetector(limits, PERIOD), *[snap] * reduce)[-1])

        assert ends(1e-6, most + 1e-6)
        assert not ends(0.0, most + 1e-6) and not ends(1.0, most)
        orders = [*at(0, 0.0), *at(joint, 100.0), *at(0, 0.0), *at(joint, sign * 0.5), *at(0, 0.0)]
        there = tick(limits, orders=[*orders, *at(0, 1.0)], angle=at(joint, sign * 0.5))
        assert run(TrackingDetector(limits, PERIOD), *[there] * reduce) == [[]] * reduce

    def test_what_is_given_of_an_order_at_reduced_effort(
        self, limits: SafetyLimits, joint: int, sign: float
    ) -> None:
        """Between the least scale and all of it; what is beyond the joint's limit is too much always."""
        drives, (reduce, _) = limits.detect.drives, self.ticks(limits)
        cap, room = limits.joints[joint].torque_nm, drives.tracking_nm
        assert limits.detect.stops.reduce_scale == 0.5

        def ends(asked: float, given: float, scaled: bool = True) -> bool:
            snap = tick(limits, asked=at(joint, sign * asked), mean=at(joint, sign * given))
            assert snap.applied is not None
            snap.applied = replace(snap.applied, reason=int(Reason.PERMIT_SCALE) * scaled)
            return bool(run(TrackingDetector(limits, PERIOD), *[snap] * reduce)[-1])

        assert ends(70.0, 35.0, scaled=False) and not ends(70.0, 35.0) and not ends(70.0, 70.0)
        assert not ends(room, 0.0, scaled=False) and ends(room + 1e-6, 0.0, scaled=False)
        assert not ends(70.0, 35.0 - room) and ends(70.0, 35.0 - room - 1e-6)
        assert not ends(50.0, 50.0 + room) and ends(50.0, 50.0 + room + 1e-6)
        assert not ends(cap + room, 0.5 * cap) and ends(cap + room + 1e-6, cap)

    def test_only_while_the_controller_drives(self, limits: SafetyLimits, joint: int, sign: float) -> None:
        reduce, handover = self.ticks(limits)[0], round(limits.timing.handover_s / PERIOD)
        far = at(joint, sign * 80.0)
        for change, told in (
            ({"driven_ticks": handover}, False),
            ({"driven_ticks": handover + 1}, True),
            ({"driven": False}, False),
        ):
            snap = tick(limits, asked=far, **change)
            assert bool(run(TrackingDetector(limits, PERIOD), *[snap] * reduce)[-1]) is told
        silent = tick(limits, asked=far)
        silent.done = []
        assert run(TrackingDetector(limits, PERIOD), *[silent] * (2 * reduce)) == [[]] * (2 * reduce)


class TestAllJoints:
    def test_tracking_of_all_at_once(self, limits: SafetyLimits) -> None:
        reduce = round(limits.detect.drives.tracking_reduce_s / PERIOD)
        away, good = tick(limits, asked=[40.0] * 6), tick(limits)
        detector = TrackingDetector(limits, PERIOD)
        assert detector.away == [False] * 6
        found = run(detector, *[away] * reduce)
        assert found[-1] == [Finding("F17", Action.REDUCE, name) for name in NAMES]
        assert detector.away == [True] * 6
        assert run(detector, good) == [[]] and detector.away == [False] * 6
        assert run(detector, away) == [[]], "counted anew"

    def test_a_slow_clock_has_a_tick_at_least(self, limits: SafetyLimits) -> None:
        (found,) = run(TrackingDetector(limits, 1.5), tick(limits, asked=at(3, 40.0)))
        assert found == [Finding("F17", Action.SOFT_STOP, "hip right")]
        detector = TrackingDetector(limits, 10.0)
        (found,) = run(detector, tick(limits, asked=at(3, 40.0)))
        assert found == [Finding("F17", Action.SOFT_STOP, "hip right")]


class TestDevice:
    def told(self, limits: SafetyLimits, **changes: Any) -> list[Finding]:
        (snap,) = looks(limits, [exo_state(1, **changes)])
        return run(DeviceDetector(limits), snap)[0]

    @pytest.mark.parametrize("joint", JOINTS)
    def test_heat(self, limits: SafetyLimits, joint: int) -> None:
        drives = limits.detect.drives
        for heat, level in (
            (drives.hot_c, None),
            (nextafter(drives.hot_c, inf), Action.REDUCE),
            (drives.too_hot_c, Action.REDUCE),
            (nextafter(drives.too_hot_c, inf), Action.SOFT_STOP),
        ):
            warm = np.full(6, 30.0)
            warm[joint] = heat
            found = self.told(limits, motor_temperature_c=warm)
            words = f"motor at {heat:.0f} degrees"
            assert found == ([] if level is None else [Finding("F27", level, words)])

    def test_a_joint_without_measurement_hides_no_heat(self, limits: SafetyLimits) -> None:
        warm = np.full(6, 140.0)
        warm[0] = np.nan
        told = self.told(limits, motor_temperature_c=warm, joint_valid=0b111110)
        assert told == [Finding("F27", Action.SOFT_STOP, "motor at 140 degrees")]

    def test_battery(self, limits: SafetyLimits) -> None:
        drives = limits.detect.drives
        for charge, level in (
            (drives.battery_low, None),
            (nextafter(drives.battery_low, 0.0), Action.REDUCE),
            (drives.battery_empty, Action.REDUCE),
            (nextafter(drives.battery_empty, 0.0), Action.SOFT_STOP),
        ):
            found = self.told(limits, battery_fraction=charge)
            words = f"battery at {charge:.0%}"
            assert found == ([] if level is None else [Finding("F27", level, words)])

    @pytest.mark.parametrize("bit", [DeviceFault.BUS_OFF, DeviceFault.SUPPLY_LOST])
    def test_bus_and_supply_are_given_a_tick(self, limits: SafetyLimits, bit: int) -> None:
        gone, back = looks(limits, [exo_state(1, device_faults=int(bit)), exo_state(2)])
        found = run(DeviceDetector(limits), gone, gone, gone, back, gone)
        levels = [f[0].action if f else None for f in found]
        assert levels == [Action.WARN, Action.SOFT_STOP, Action.SOFT_STOP, None, Action.WARN]
        assert found[0] == [Finding("F27", Action.WARN, "bus or supply lost")]

    @pytest.mark.parametrize(
        ("bit", "told"),
        [
            (DeviceFault.DRIVE_FAULT, Finding("F27", Action.SOFT_STOP, "drive fault")),
            (DeviceFault.DRIVE_WATCHDOG, Finding("F10", Action.SOFT_STOP, "drive watchdog tripped")),
            (DeviceFault.OVER_TEMPERATURE, Finding("F27", Action.REDUCE, "over-temperature")),
            (DeviceFault.BATTERY_LOW, Finding("F27", Action.REDUCE, "battery low")),
            (DeviceFault.SENSOR_MISSING, None),
        ],
    )
    def test_what_the_device_says(self, limits: SafetyLimits, bit: int, told: Finding | None) -> None:
        assert self.told(limits, device_faults=int(bit)) == ([] if told is None else [told])
