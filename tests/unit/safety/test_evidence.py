"""What the pages say of the fault-free walks is what is kept of them."""

import json
import re
from pathlib import Path

import pytest

from exostride.bench.safety import summary
from exostride.bench.safety_curves import figure_svg

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs"
WALKED = json.loads((DOCS / "evidence" / "fault_free.json").read_text())
KEPT = summary(WALKED)


def test_the_pages_give_the_figures_of_the_walks_that_are_kept() -> None:
    free = KEPT["fault_free"]
    page = (DOCS / "safety.md").read_text()
    assert free["falls_not_met"] == 0
    assert free["false_trips"] == 0
    assert free["hours"] >= 10.0
    assert f"{free['hours']:.2f} h in {free['walks']} walks" in page
    assert f"**no false stop** (95 % upper bound {free['rate_upper_95_per_hour']:g} an hour)" in page
    assert f"{free['stops_for_real_falls']} stops of walkers who fell" in page
    rates = ", ".join(f"{fault} {rate:g}" for fault, rate in free["reduces_per_hour"].items())
    assert f"gave way for a moment: {rates}." in page
    assert f"In {free['hours']:.1f} hours of training without a fault" in (ROOT / "README.md").read_text()


def parts(picture: str) -> tuple[list[str], list[float]]:
    """Return a picture's words and its numbers, without the names that are made of its last digits."""
    plain = re.sub(r'(id|href|clip-path)="[^"]*"', "", picture)
    number = r"-?\d+(?:\.\d+)?(?:e-?\d+)?"
    return re.split(number, plain), [float(n) for n in re.findall(number, plain)]


def test_the_picture_of_the_trade_offs_is_drawn_from_what_is_kept() -> None:
    assert all(any(p["tried"] for p in points) for points in KEPT["curves"].values())
    kept_words, kept_numbers = parts((DOCS / "pictures" / "safety_curves.svg").read_text())
    words, numbers = parts(figure_svg(KEPT["curves"]))
    assert words == kept_words
    assert numbers == pytest.approx(kept_numbers, abs=0.01)
