"""The tables of docs/safety.md, and how a limit and a fault are described: known answers."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError, create_model
from safety_world import ROOT

from exostride.errors import InputError
from exostride.safety.document import fault_table, joint_table, main, threshold_table, updated
from exostride.safety.faults import CATALOGUE, PRECEDENCE, Finding, sentence, stronger
from exostride.safety.limits import SafetyLimits
from exostride.safety.thresholds import limit
from exostride.types import Action

LIMITS = ROOT / "config" / "limits" / "default.yaml"


def row(table: str, name: str) -> str:
    (found,) = [line for line in table.splitlines() if line.startswith(f"| {name} |")]
    return found


def test_faults_are_told_in_eight_columns() -> None:
    lines = fault_table().splitlines()
    assert lines[0] == (
        "| id | fault | seen by | strongest reaction | legs while the belt stops | bound | clears | code |"
    )
    assert lines[1] == "| --- | --- | --- | --- | --- | --- | --- | --- |"
    assert len(lines) == 2 + len(CATALOGUE)
    assert fault_table().endswith("|\n")


@pytest.mark.parametrize(
    "wanted",
    [
        "| F01 | sensor sample missing | kernel and supervisor | SOFT_STOP | stance held | 3 T | reset"
        " | `SENSOR_MISSING` |",
        "| F02 | sensor stuck | supervisor | SOFT_STOP | stance held | 0.05 s | reset | `SENSOR_STUCK` |",
        "| F14 | recorder lost | supervisor | WARN, no new start | - | 1 s | by itself | `RECORDER_LOST` |",
        "| F20 | emergency stop | kernel and supervisor | E_STOP | damped | 1 T | reset | `ESTOP` |",
        "| F24a | foot drag | supervisor | SOFT_STOP | controller goes on | 1.2 s | by itself"
        " | `FOOT_DRAG` |",
    ],
)
def test_a_fault_is_one_row(wanted: str) -> None:
    assert wanted in fault_table().splitlines()


def test_joints_stand_side_by_side(limits: SafetyLimits) -> None:
    hip, knee, ankle = (
        joint.model_copy(update={"torque_nm": 10.5 + i}) for i, joint in enumerate(limits.joints[:3])
    )
    table = joint_table(limits.model_copy(update={"joints": (hip, knee, ankle) * 2}))
    lines = table.splitlines()
    assert lines[0] == (
        "| limit | hip | knee | ankle | unit | a patient's set may go | where it comes from |"
    )
    assert lines[1] == "|" + " --- |" * 7
    assert row(table, "`torque_nm`") == (
        "| `torque_nm` | 10.5 | 11.5 | 12.5 | N m | lower"
        " | share of able-bodied peak moment (Winter 1991) that training needs |"
    )
    assert " | rad | higher | " in row(table, "`wall_low_rad`")
    assert " | kg m^2 | - | " in row(table, "`inertia_kg_m2`")
    assert len(lines) == 2 + len(type(hip).model_fields)


def test_every_other_limit_is_named_by_its_path(limits: SafetyLimits) -> None:
    table = threshold_table(limits)
    lines = table.splitlines()
    assert lines[0] == "| limit | value | unit | a patient's set may go | where it comes from |"
    assert lines[1] == "|" + " --- |" * 5
    assert row(table, "`detect.sensors.missing_ticks`") == (
        "| `detect.sensors.missing_ticks` | 2 | ticks | lower | F01: one tick is bridged, the second stops |"
    )
    groups = [line.split("`")[1].rpartition(".")[0] for line in lines[2:]]
    assert list(dict.fromkeys(groups)) == [
        "timing", "tank", "belt", "detect.sensors", "detect.messages", "detect.drives", "detect.body",
        "detect.environment", "detect.stops",
    ]  # fmt: skip
    assert "detect.messages.disk_bytes` | 1e+09 |" in table


def test_each_block_of_a_page_gets_its_own_table(limits: SafetyLimits) -> None:
    names = ("thresholds", "faults", "joints")
    page = "".join(f"before\n<!-- table:{name} -->\nold\nold\n<!-- end -->\n" for name in names)
    want = "".join(
        f"before\n<!-- table:{name} -->\n{table}<!-- end -->\n"
        for name, table in zip(
            names, (threshold_table(limits), fault_table(), joint_table(limits)), strict=True
        )
    )
    assert updated(page, limits) == want
    assert updated(want, limits) == want


def test_a_table_that_does_not_exist_is_named(limits: SafetyLimits) -> None:
    with pytest.raises(InputError) as caught:
        updated("<!-- table:x -->\n<!-- end -->", limits)
    assert str(caught.value) == "unknown table 'x'; available: faults, joints, thresholds"


def test_a_page_is_utf_8_in_any_locale(
    tmp_path: Path, limits: SafetyLimits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("io.text_encoding", lambda encoding, _level=2: encoding or "ascii")
    page = tmp_path / "page.md"
    page.write_bytes("Ó\n<!-- table:thresholds -->\n<!-- end -->\n".encode())
    main([str(page), str(LIMITS)])
    assert page.read_bytes() == (
        f"Ó\n<!-- table:thresholds -->\n{threshold_table(limits)}<!-- end -->\n".encode()
    )


@pytest.mark.parametrize("count", [0, 1, 3])
def test_it_wants_a_page_and_a_limits_file(count: int) -> None:
    with pytest.raises(InputError) as caught:
        main(["x"] * count)
    assert str(caught.value) == "usage: python -m exostride.safety.document PAGE LIMITS"


class TestLimit:
    def test_carries_unit_source_and_direction(self) -> None:
        field = limit("N m", "where it comes from", "lower")
        assert field.description == "where it comes from"
        assert field.json_schema_extra == {"unit": "N m", "tighter": "lower"}

    @pytest.mark.parametrize(("value", "good"), [(0.0, False), (0.1, True), (5.0, True), (5.1, False)])
    def test_holds_its_bounds(self, value: float, good: bool) -> None:
        model = create_model("Model", value=(float, limit("N m", "here", None, gt=0.0, le=5.0)))
        if good:
            assert model(value=value).value == value
        else:
            with pytest.raises(ValidationError):
                model(value=value)


class TestFault:
    def test_bound_is_in_ticks_or_in_seconds(self) -> None:
        assert CATALOGUE["F01"].bound_ticks(0.005) == CATALOGUE["F01"].bound_ticks(0.01) == 3
        assert CATALOGUE["F02"].bound_ticks(0.005) == 10
        assert CATALOGUE["F02"].bound_ticks(0.003) == 17

    def test_the_stronger_action_wins_then_the_earlier_in_order(self) -> None:
        stop, button = Finding("F02", Action.SOFT_STOP), Finding("F20", Action.WARN)
        assert stronger(stop, button) and not stronger(button, stop)
        first, last = Finding("F20", Action.E_STOP), Finding("F28", Action.E_STOP)
        assert stronger(first, last) and not stronger(last, first)
        assert not stronger(first, first)

    def test_every_fault_has_its_place_in_the_order(self) -> None:
        assert sorted(PRECEDENCE) == sorted(CATALOGUE)
        assert sorted(PRECEDENCE.values()) == list(range(len(CATALOGUE)))

    def test_a_finding_is_a_sentence(self) -> None:
        assert sentence(Finding("F22", Action.REDUCE, "knee left")) == "sudden muscle torque at knee left"
        assert sentence(Finding("F13", Action.SOFT_STOP)) == "the supervisor was silent"
