"""What the pages say of the fault-free walks is what is kept of them."""

import json
from pathlib import Path

from exostride.bench.safety import summary

ROOT = Path(__file__).resolve().parents[3]
KEPT = ROOT / "docs" / "evidence" / "fault_free.json"


def test_the_pages_give_the_figures_of_the_walks_that_are_kept() -> None:
    free = summary(json.loads(KEPT.read_text()))["fault_free"]
    page = (ROOT / "docs" / "safety.md").read_text()
    assert free["falls_not_met"] == 0
    assert free["hours"] >= 10.0
    assert f"{free['hours']:.2f} h in {free['walks']} walks: **{free['false_trips']} false stop**" in page
    assert f"{free['stops_for_real_falls']} stops of walkers who fell" in page
    rates = ", ".join(f"{fault} {rate:g}" for fault, rate in free["reduces_per_hour"].items())
    assert f"gave way for a moment: {rates}." in page
    assert f"In {free['hours']:.1f} hours" in (ROOT / "README.md").read_text()
