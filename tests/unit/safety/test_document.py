"""docs/safety.md says what the code does."""

from __future__ import annotations

from pathlib import Path

import pytest
from safety_world import ROOT

from exostride.errors import InputError
from exostride.safety.document import main, updated
from exostride.safety.faults import CATALOGUE
from exostride.safety.limits import SafetyLimits

PAGE = ROOT / "docs" / "safety.md"
LIMITS = ROOT / "config" / "limits" / "default.yaml"


def test_page_is_current(limits: SafetyLimits) -> None:
    text = PAGE.read_text()
    assert updated(text, limits) == text, (
        "run python -m exostride.safety.document docs/safety.md config/limits/default.yaml"
    )


def test_page_names_every_fault_and_every_limit(limits: SafetyLimits) -> None:
    text = PAGE.read_text()
    for row in CATALOGUE.values():
        assert f"| {row.id} | {row.title} |" in text and f"`{row.code}`" in text
    for name in type(limits.joints[0]).model_fields:
        assert f"`{name}`" in text
    assert "| `detect.sensors.missing_ticks` | 2 | ticks | lower |" in text


def test_tests_named_on_the_page_exist() -> None:
    import re

    sources = "".join(p.read_text() for p in (ROOT / "tests").rglob("test_*.py"))
    names = re.findall(r"`(?:(test_\w+\.py)(?:::)?)?(Test\w+|test_\w+)?`", PAGE.read_text())
    assert len([n for n in names if any(n)]) > 10
    for file, name in names:
        if file:
            assert list((ROOT / "tests").rglob(file)), file
        if name:
            assert f"class {name}" in sources or f"def {name}" in sources, name


def test_main_rewrites_a_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- table:faults -->\nold\n<!-- end -->\nb\n")
    main([str(page), str(LIMITS)])
    text = page.read_text()
    assert text.startswith("a\n<!-- table:faults -->\n| id |") and text.endswith("<!-- end -->\nb\n")
    assert "old" not in text


def test_unknown_table_and_usage(limits: SafetyLimits) -> None:
    with pytest.raises(InputError, match="unknown table 'x'"):
        updated("<!-- table:x -->\n<!-- end -->", limits)
    with pytest.raises(InputError, match="usage"):
        main([])
