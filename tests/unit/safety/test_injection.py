"""The language of injected faults, when they begin, and what each does to a reading."""

from __future__ import annotations

from dataclasses import replace
from math import inf, tau

import numpy as np
import pytest
from safety_world import PERIOD, exo_state

from exostride.errors import InputError
from exostride.safety.faults import CATALOGUE
from exostride.safety.injection import INJECTABLE, Gait, Layer, ReadingFault, Trigger, parse
from exostride.types import DeviceFault, DeviceReading, EnvironmentState, SimTruth


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


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("F99", "unknown id 'F99'; expected ID[@GAIT[:SIDE[:JOINT]]]"),
        ("F99", "with one of F01, F02"),
        ("F01@flying", "unknown 'flying'; expected one of any, stance"),
        ("F01@any:top", "expected one of left, right"),
        ("F01@any:left:toe", "expected one of hip, knee, ankle"),
        ("F01@any:left:hip:more", "at most GAIT:SIDE:JOINT"),
        ("F01,when=3", "unknown option 'when'"),
        ("F01,start=soon", "start = 'soon' is not a number"),
        ("F01,start=-1", "must not be negative"),
        ("F01,duration=nan", "must not be negative"),
        ("F01,kind=brain", "F01 has joint, foot, segment"),
    ],
)
def test_bad_text_is_explained(text: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(text)
    assert words in str(caught.value) and f"fault '{text}'" in str(caught.value)


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
        bounce = lines("F20,kind=bounce")
        assert (
            bounce[0] == (False, False) and bounce[2] == (True, True) and bounce[8:] == [(False, False)] * 2
        )

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
        fault = ReadingFault(parse("F02"), PERIOD)
        assert fault.apply(reading(3), 3).exo.angle_rad[1] == 0.1
