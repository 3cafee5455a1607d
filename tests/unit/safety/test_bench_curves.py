"""The picture of delay against false alarms."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from exostride.bench.safety_curves import figure_svg, in_force, write_picture
from exostride.bench.safety_free import KNOBS

IN_FORCE = "#b5483a"


def point(threshold: float, alarms: float | None, delay: float | None, found: int = 5) -> dict[str, Any]:
    return {
        **{"threshold": threshold, "alarms_per_hour": alarms, "median_delay_periods": delay},
        **{"found": found, "alarmed_before": 0, "tried": 5},
    }


@pytest.mark.parametrize("fault", KNOBS)
def test_the_threshold_in_force_is_one_of_those_tried(fault: str) -> None:
    assert in_force(fault) in KNOBS[fault].values


def test_the_threshold_in_force_stands_out_alone_or_among_others_at_its_place() -> None:
    other = figure_svg({"F24b": [point(20.0, 40.0, 4.0), point(60.0, 0.0, 5.0)]})
    assert IN_FORCE not in other
    assert IN_FORCE in figure_svg({"F24b": [point(20.0, 40.0, 4.0), point(in_force("F24b"), 0.0, 5.0)]})
    assert IN_FORCE in figure_svg({"F24b": [point(60.0, 0.0, 5.0), point(in_force("F24b"), 0.0, 5.0)]})


def test_a_threshold_without_a_delay_or_without_hours_is_left_out() -> None:
    left_out = [point(in_force("F24b"), 0.0, None, found=0), point(in_force("F24b"), None, 5.0)]
    assert IN_FORCE not in figure_svg({"F24b": left_out})


def test_what_did_not_find_all_is_hollow() -> None:
    def fill(found: int) -> bool:
        return f"fill: {IN_FORCE}; stroke" in figure_svg({"F24b": [point(in_force("F24b"), 0.0, 5.0, found)]})

    assert fill(5)
    assert not fill(4)


def test_a_picture_is_the_same_twice(tmp_path: Path) -> None:
    first, second = tmp_path / "a.svg", tmp_path / "b.svg"
    curves = {fault: [point(in_force(fault), 0.0, 1.0)] for fault in KNOBS}
    write_picture(first, curves)
    write_picture(second, curves)
    assert ElementTree.parse(first).getroot().tag.endswith("svg")
    assert first.read_text() == second.read_text()
