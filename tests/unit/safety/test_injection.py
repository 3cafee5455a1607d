"""The language of injected faults, when they begin, and what each does to a reading."""

from __future__ import annotations

from dataclasses import fields, replace
from math import inf, nextafter, tau

import numpy as np
import pytest
from safety_world import PERIOD, exo_state

from exostride.errors import InputError
from exostride.safety.faults import CATALOGUE
from exostride.safety.injection import INJECTABLE, Gait, Injection, Layer, ReadingFault, Trigger, parse
from exostride.types import DeviceFault, DeviceReading, EnvironmentState, SimTruth

JOINT = ("left:hip", "left:knee", "left:ankle", "right:hip", "right:knee", "right:ankle")
SIDE = ("left", "right")


def reading(seq: int = 0, belt: float = 0.5, left_n: float = 500.0, truth: bool = True) -> DeviceReading:
    exo = exo_state(
        seq, foot_load_n=np.array([left_n / 2, left_n / 2, 300.0, 100.0]), angle_rad=np.full(6, 0.1)
    )
    force = np.array([0.0, 0.0, left_n, 0.0, 0.0, 400.0])
    made = SimTruth(seq=seq, time_s=seq * PERIOD, ground_force_n=force) if truth else None
    return DeviceReading(exo, EnvironmentState(seq=seq, time_s=seq * PERIOD, belt_speed_m_s=belt), truth=made)


@pytest.mark.parametrize(
    ("text", "layer"),
    [
        ("F03,kind=command", Layer.MESSAGE),
        ("F03,kind=cuff", Layer.READING),
        ("F12", Layer.STAGE),
        ("F12,kind=nan", Layer.MESSAGE),
    ],
)
def test_a_fault_lies_where_its_kind_says(text: str, layer: Layer) -> None:
    assert parse(text).layer == layer


def test_parse_in_full_and_by_default() -> None:
    full = parse("F22@swing:right:hip,start=12,duration=0.5,size=30")
    assert (full.fault, full.gait, full.side, full.joint) == ("F22", Gait.SWING, 1, 3)
    assert (full.start_s, full.duration_s, full.size, full.kind) == (12.0, 0.5, 30.0, "muscle")
    short = parse("F01")
    assert (short.gait, short.side, short.joint, short.start_s, short.duration_s) == (
        Gait.ANY,
        0,
        1,
        0.0,
        inf,
    )
    assert parse("F26@stance, kind=lift").kind == "lift"
    assert parse("F19,size=-0.5").size == -0.5
    assert short.bit == 1 and parse("F24b").bit == 1 << 23
    assert short.spec is INJECTABLE["F01"]


@pytest.mark.parametrize("spec", INJECTABLE.values(), ids=list(INJECTABLE))
def test_an_id_alone_means_the_catalogues_row(spec) -> None:
    row = Injection(
        spec.fault, Gait.ANY, 0, 1, start_s=0.0, duration_s=spec.duration_s, size=spec.size,
        kind=spec.kinds[0],
    )  # fmt: skip
    assert parse(spec.fault) == row


@pytest.mark.parametrize("gait", list(Gait))
@pytest.mark.parametrize("joint", range(6))
def test_where_a_fault_begins(gait: Gait, joint: int) -> None:
    made = parse(f"F18@{gait.value}:{JOINT[joint]}")
    assert (made.gait, made.side, made.joint) == (gait, joint // 3, joint)
    assert parse(f"F18@{gait.value}:{SIDE[joint // 3]}").joint == 3 * (joint // 3) + 1, "the knee unless told"


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("F20,start=0", "start_s", 0.0),
        ("F20,start=0.5", "start_s", 0.5),
        ("F20,duration=0", "duration_s", 0.0),
        ("F20,duration=0.25", "duration_s", 0.25),
        ("F20,duration=inf", "duration_s", inf),
        ("F20,size=0", "size", 0.0),
        ("F20,size=-2e3", "size", -2000.0),
        ("F20,kind=bounce", "kind", "bounce"),
    ],
)
def test_an_option_changes_its_own_field(text: str, name: str, value: object) -> None:
    assert parse(text) == replace(parse("F20"), **{name: value})


def test_options_may_be_spaced_and_come_in_any_order() -> None:
    want = replace(parse("F22@stance"), start_s=1.0, duration_s=2.0, size=3.0)
    for text in ("F22@stance,start=1,duration=2,size=3", " F22@stance , size=3 ,duration=2,  start=1 "):
        assert parse(text) == want


KNOWN = ", ".join(INJECTABLE)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("F99", "unknown id 'F99'; expected ID[@GAIT[:SIDE[:JOINT]]][,start=S][,duration=S][,size=X]"
                f"[,kind=WORD] with one of {KNOWN}"),
        ("", "unknown id ''; expected ID[@GAIT[:SIDE[:JOINT]]][,start=S][,duration=S][,size=X]"
             f"[,kind=WORD] with one of {KNOWN}"),
        ("F01@flying", "unknown 'flying'; expected one of any, stance, swing, standing"),
        ("F01@any@stance", "unknown 'any@stance'; expected one of any, stance, swing, standing"),
        ("F01@any:top", "unknown 'top'; expected one of left, right"),
        ("F01@any:left:toe", "unknown 'toe'; expected one of hip, knee, ankle"),
        ("F01@any:left:hip:more", "expected at most GAIT:SIDE:JOINT after the @"),
        ("F01,when=3", "unknown option 'when'; expected start, duration, size or kind"),
        ("F01,start", "start = '' is not a number"),
        ("F01,start=soon", "start = 'soon' is not a number"),
        ("F01,size=1=2", "size = '1=2' is not a number"),
        ("F01,start=nan", "start = 'nan' is not a number"),
        ("F01,duration=nan", "duration = 'nan' is not a number"),
        ("F01,size=-nan", "size = '-nan' is not a number"),
        ("F01,start=-1", "start = -1 must not be negative"),
        ("F01,duration=-1e-9", "duration = -1e-9 must not be negative"),
        ("F01,kind=brain", "unknown kind 'brain'; F01 has joint, foot, segment"),
        ("F21,kind=stuck", "unknown kind 'stuck'; F21 has a, b, stuck_a, stuck_b"),
    ],
)  # fmt: skip
def test_bad_text_is_explained(text: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(text)
    assert str(caught.value) == f"fault '{text}': {words}"


@pytest.mark.parametrize("spec", INJECTABLE.values(), ids=list(INJECTABLE))
def test_catalogue_of_injections_matches_the_fault_catalogue(spec) -> None:
    assert spec.fault in CATALOGUE and spec.words and spec.kinds and spec.unit


class TestTrigger:
    def begins(self, text: str, make, ticks: int = 12) -> list[int]:
        trigger = Trigger(parse(text), PERIOD)
        return [trigger.step(k, make(k)) for k in range(ticks)]

    def test_any_begins_at_its_start_and_lasts(self) -> None:
        assert self.begins("F20,start=0.02,duration=0.015", reading) == [-1] * 4 + [0, 1, 2, 3] + [-1] * 4

    @pytest.mark.parametrize("truth", [True, False])
    def test_swing_and_stance_follow_the_load(self, truth: bool) -> None:
        def step(k: int) -> DeviceReading:
            return reading(k, left_n=500.0 if k < 5 else 10.0, truth=truth)

        assert self.begins("F20@stance:left", step).index(0) == 1
        assert self.begins("F20@swing:left", step).index(0) == 6
        assert self.begins("F20@stance:right", step).index(0) == 1

    def test_one_noisy_sample_does_not_decide(self) -> None:
        assert (
            self.begins("F20@swing:left", lambda k: reading(k, left_n=10.0 if k % 2 else 500.0)) == [-1] * 12
        )

    def test_standing_needs_a_resting_belt_and_the_others_a_moving_one(self) -> None:
        assert self.begins("F20@standing", reading) == [-1] * 12
        assert self.begins("F20@standing", lambda k: reading(k, belt=0.0)).index(0) == 1
        assert self.begins("F20@stance", lambda k: reading(k, belt=0.0)) == [-1] * 12

    @pytest.mark.parametrize(
        ("belt", "moving"), [(0.05, False), (0.051, True), (-0.05, False), (-0.051, True)]
    )
    def test_from_which_speed_on_a_belt_moves(self, belt: float, moving: bool) -> None:
        assert (self.begins("F20@standing", lambda k: reading(k, belt=belt))[1] == 0) is not moving
        assert (self.begins("F20@stance", lambda k: reading(k, belt=belt))[1] == 0) is moving

    @pytest.mark.parametrize("truth", [True, False])
    @pytest.mark.parametrize(("newton", "loaded"), [(60.0, False), (nextafter(60.0, inf), True)])
    def test_from_which_load_on_a_leg_stands(self, newton: float, loaded: bool, truth: bool) -> None:
        make = lambda k: reading(k, left_n=newton, truth=truth)  # noqa: E731
        assert (self.begins("F20@stance:left", make)[1] == 0) is loaded
        assert (self.begins("F20@swing:left", make)[1] == 0) is not loaded

    def test_another_threshold_may_be_given(self) -> None:
        for newton, begun in ((500.0, -1), (nextafter(500.0, inf), 0)):
            trigger = Trigger(parse("F20@stance:left"), PERIOD, load_n=500.0)
            assert [trigger.step(k, reading(k, left_n=newton)) for k in range(2)] == [-1, begun]

    @pytest.mark.parametrize("side", range(2))
    def test_the_load_of_a_leg_is_its_own(self, side: int) -> None:
        """The upward part of its ground force; without that its two load cells together."""
        force, cells = np.full(6, 900.0), np.full(4, 450.0)
        force[3 * side + 2] = cells[2 * side] = cells[2 * side + 1] = 30.0
        text = f"F20@swing:{SIDE[side]}"
        for made in (SimTruth(seq=0, time_s=0.0, ground_force_n=force), None):
            base = replace(reading(truth=False), truth=made)
            light = replace(base, exo=replace(base.exo, foot_load_n=cells))
            assert self.begins(text, lambda k, given=light: given)[:2] == [-1, 0]
        for cell in (2 * side, 2 * side + 1):
            heavy = cells.copy()
            heavy[cell] = 30.0 + 1e-9
            base = reading(truth=False)
            loaded = replace(base, exo=replace(base.exo, foot_load_n=heavy))
            assert self.begins(text, lambda k, given=loaded: given) == [-1] * 12

    def test_when_it_began_is_known(self) -> None:
        trigger = Trigger(parse("F20@stance,start=0.02,duration=0.01"), PERIOD)
        assert trigger.began == -1
        assert [trigger.step(k, reading(k)) for k in range(9)] == [-1] * 5 + [0, 1, 2, -1]
        assert trigger.began == 5, "the second tick at or after its start"

    @pytest.mark.parametrize("first", [0, 1])
    def test_it_begins_once(self, first: int) -> None:
        trigger = Trigger(parse("F38,duration=0.005"), PERIOD)
        assert [trigger.step(k, reading(k)) for k in range(first, first + 5)] == [0, 1, -1, -1, -1]
        assert trigger.began == first


def applied(text: str, ticks: int = 10) -> list[DeviceReading]:
    injection = parse(text)
    fault = ReadingFault(injection, PERIOD)
    out = []
    for k in range(ticks):
        base = reading(k)
        moving = replace(
            base.exo,
            angle_rad=base.exo.angle_rad + 0.01 * k,
            velocity_rad_s=np.full(6, 2.0 + k),
            joint_torque_nm=np.full(6, 1.0 + k),
        )
        out.append(fault.apply(replace(base, exo=moving), k))
    return out


def changes(before: DeviceReading, after: DeviceReading) -> dict[str, object]:
    """What a fault has changed in a reading: the new value by field, or by field and place of a vector."""
    found: dict[str, object] = {}
    for one, other in ((before.exo, after.exo), (before.environment, after.environment)):
        for item in fields(one):
            old, new = getattr(one, item.name), getattr(other, item.name)
            if isinstance(old, np.ndarray):
                places = np.flatnonzero(~np.isclose(old, new, rtol=0.0, atol=0.0, equal_nan=True))
                found |= {f"{item.name}[{n}]": float(new[n]) for n in places}
            elif old != new:
                found[item.name] = new
    assert after.truth is before.truth
    return found


def changed(text: str, base: DeviceReading, k: int = 0) -> dict[str, object]:
    """What a fault changes in a reading that is its ``k``-th; no number is told as None."""
    seen = changes(base, ReadingFault(parse(text), PERIOD).apply(base, k))
    return {name: None if value != value else value for name, value in seen.items()}


class TestChangesThatAndNothingElse:
    @pytest.mark.parametrize("joint", range(6))
    def test_of_a_joint(self, joint: int) -> None:
        base, where = reading(), f"@any:{JOINT[joint]}"
        rest = 0b111111 & ~(1 << joint)
        angle = f"angle_rad[{joint}]"
        assert changed(f"F01{where}", base) == {"joint_valid": rest, angle: None}
        assert changed(f"F01{where},kind=segment", base) == {"segment_valid": rest}
        assert changed(f"F02{where}", base) == changed(f"F02{where},kind=torque", base) == {}
        assert changed(f"F03{where}", base) == changed(f"F03{where},kind=angle", base) == {angle: None}
        assert changed(f"F03{where},kind=cuff", base) == {f"cuff_force_n[{3 * joint}]": None}
        for text in (f"F04{where},size=0.25", f"F05{where},size=0.25", f"F06{where},size=50"):
            assert changed(text, base) == {angle: 0.1 + 0.25}
        assert changed(f"F27{where}", base) == {f"motor_temperature_c[{joint}]": 140.0}

    @pytest.mark.parametrize("side", range(2))
    def test_of_a_foot(self, side: int) -> None:
        text = f"F01@any:{SIDE[side]},kind=foot"
        assert changed(text, reading()) == {"foot_valid": 0b11 & ~(1 << side)}

    @pytest.mark.parametrize("joint", range(6))
    @pytest.mark.parametrize(
        ("kind", "names"), [("joint", ("angle_rad", "velocity_rad_s")), ("torque", ("joint_torque_nm",))]
    )
    def test_a_stuck_sensor_and_its_neighbours(self, joint: int, kind: str, names: tuple[str, ...]) -> None:
        fault = ReadingFault(parse(f"F02@any:{JOINT[joint]},kind={kind}"), PERIOD)
        moving = ("angle_rad", "velocity_rad_s", "joint_torque_nm")
        first, later, again = (
            replace(reading(), exo=exo_state(0, **{name: 10.0 * k + np.arange(6.0) for name in moving}))
            for k in range(3)
        )
        fault.apply(first, 0)
        stuck = {f"{name}[{joint}]": float(joint) for name in names}
        assert changes(later, fault.apply(later, 1)) == stuck
        assert changes(again, fault.apply(again, 2)) == stuck
        assert changes(later, fault.apply(later, 0)) == {}, "a fault that begins anew holds anew"
        assert set(changes(again, fault.apply(again, 1)).values()) == {10.0 + joint}

    def test_of_the_device(self) -> None:
        base = reading(3)
        assert changed("F03,kind=belt", base) == {"belt_speed_m_s": None}
        assert changed("F07,size=0.5", base) == {"stamp_s": 3 * PERIOD + 0.5}
        assert changed("F07,size=0.5,kind=back", base) == {"stamp_s": 3 * PERIOD - 0.5}
        assert changed("F27,kind=battery", base) == {"battery_fraction": 0.02}
        assert changed("F27,kind=bus", base) == {"device_faults": int(DeviceFault.BUS_OFF)}
        assert changed("F38,kind=patient", base) == {"patient_stop": True}
        assert changed("F38,kind=therapist", base) == {"therapist_stop": True}
        assert changed("F20,kind=a", base) == changed("F21,kind=a", base) == {"estop_closed_a": False}
        assert changed("F20,kind=b", base) == changed("F21,kind=b", base) == {"estop_closed_b": False}

    def test_what_is_missing_or_wrong_already_stays_so(self) -> None:
        base = reading()
        worse = replace(
            base,
            exo=replace(base.exo, joint_valid=0b011101, foot_valid=0b01, segment_valid=0b011101,
                        device_faults=int(DeviceFault.SENSOR_MISSING)),
        )  # fmt: skip
        assert changed("F01", worse) == {"angle_rad[1]": None}
        assert changed("F01@any:left:hip,kind=segment", worse) == {"segment_valid": 0b011100}
        assert changed("F01@any:right,kind=foot", worse) == {}
        both = int(DeviceFault.SENSOR_MISSING | DeviceFault.BUS_OFF)
        assert changed("F27,kind=bus", worse) == {"device_faults": both}

    @pytest.mark.parametrize("kind", ["both", "a", "b", "bounce"])
    def test_a_line_that_is_open_stays_open(self, kind: str) -> None:
        base = reading()
        for a, b in ((False, True), (True, False), (False, False)):
            opened = replace(base, exo=replace(base.exo, estop_closed_a=a, estop_closed_b=b))
            for k in range(10):
                after = ReadingFault(parse(f"F20,kind={kind}"), PERIOD).apply(opened, k).exo
                assert (after.estop_closed_a and not a, after.estop_closed_b and not b) == (False, False)

    @pytest.mark.parametrize("line", ["a", "b"])
    def test_a_line_that_is_stuck_never_opens_and_the_other_is_left_alone(self, line: str) -> None:
        base = reading()
        stuck = f"estop_closed_{line}"
        for a, b in ((True, True), (False, True), (True, False), (False, False)):
            opened = replace(base, exo=replace(base.exo, estop_closed_a=a, estop_closed_b=b))
            open_ = {"a": not a, "b": not b}[line]
            for k in range(10):
                assert changed(f"F21,kind=stuck_{line}", opened, k) == ({stuck: True} if open_ else {})


class TestShapes:
    def test_missing(self) -> None:
        last = applied("F01@any:right:hip")[-1].exo
        assert last.joint_valid == 0b110111 and np.isnan(last.angle_rad[3]) and np.isfinite(last.angle_rad[2])
        assert applied("F01@any:right,kind=foot")[-1].exo.foot_valid == 0b01
        assert applied("F01@any:left:ankle,kind=segment")[-1].exo.segment_valid == 0b111011

    def test_stuck(self) -> None:
        out = applied("F02@any:left:knee")
        assert {r.exo.angle_rad[1] for r in out} == {0.1} and {r.exo.velocity_rad_s[1] for r in out} == {2.0}
        assert out[-1].exo.angle_rad[0] > 0.1
        assert {r.exo.joint_torque_nm[1] for r in applied("F02,kind=torque")} == {1.0}

    def test_not_a_number(self) -> None:
        assert np.isnan(applied("F03@any:left:hip")[0].exo.angle_rad[0])
        assert np.isnan(applied("F03,kind=cuff")[0].exo.cuff_force_n[3])
        assert np.isnan(applied("F03,kind=belt")[0].environment.belt_speed_m_s)

    def test_shifts(self) -> None:
        clean = [0.1 + 0.01 * k for k in range(10)]
        off = lambda text: [r.exo.angle_rad[1] - c for r, c in zip(applied(text), clean, strict=True)]  # noqa: E731
        assert off("F04,size=0.3") == pytest.approx([0.3, 0, 0, 0, 0, 0.3, 0, 0, 0, 0])
        assert off("F05") == pytest.approx([0.5] * 10)
        assert off("F05,kind=wrap") == pytest.approx([tau] * 10)
        assert off("F06,size=0.4") == pytest.approx([0.4 * (k + 1) * PERIOD for k in range(10)])

    def test_clock(self) -> None:
        assert applied("F07")[2].exo.stamp_s == pytest.approx(2 * PERIOD + 0.1)
        assert applied("F07,kind=back")[2].exo.stamp_s == pytest.approx(2 * PERIOD - 0.1)

    def test_estop(self) -> None:
        lines = lambda text: [(r.exo.estop_closed_a, r.exo.estop_closed_b) for r in applied(text)]  # noqa: E731
        assert lines("F20") == [(False, False)] * 10
        assert lines("F20,kind=a") == [(False, True)] * 10
        assert lines("F21,kind=b") == [(True, False)] * 10
        assert lines("F21,kind=stuck_a") == lines("F21,kind=stuck_b") == [(True, True)] * 10
        closed = [a for a, b in lines("F20,kind=bounce") if a == b]
        assert closed == [False, False, True, False, True, True, False, True, False, False]

    def test_trouble_and_buttons(self) -> None:
        assert applied("F27")[0].exo.motor_temperature_c[1] == 140.0
        assert applied("F27,kind=battery")[0].exo.battery_fraction == 0.02
        assert applied("F27,kind=bus")[0].exo.device_faults == DeviceFault.BUS_OFF
        assert applied("F38")[0].exo.patient_stop and not applied("F38")[0].exo.therapist_stop
        assert applied("F38,kind=therapist")[0].exo.therapist_stop

    def test_every_measured_fault_has_a_shape(self) -> None:
        for spec in INJECTABLE.values():
            if spec.layer == Layer.READING:
                for kind in spec.kinds:
                    assert applied(f"{spec.fault},kind={kind}", 1)

    def test_a_shape_may_begin_late(self) -> None:
        fault, first = ReadingFault(parse("F02"), PERIOD), reading(3)
        moved = replace(first, exo=replace(first.exo, angle_rad=first.exo.angle_rad + 0.2))
        assert fault.apply(first, 3).exo.angle_rad[1] == 0.1
        assert fault.apply(moved, 4).exo.angle_rad[1] == 0.1
