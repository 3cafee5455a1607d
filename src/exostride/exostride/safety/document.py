"""Tables of ``docs/safety.md`` written from the code, so that the page can't drift from what runs.

``python -m exostride.safety.document docs/safety.md config/limits/default.yaml`` rewrites the blocks
between ``<!-- table:NAME -->`` and ``<!-- end -->``; a test fails when the page is not current.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from pydantic import BaseModel

from exostride.conventions import JOINT_KINDS
from exostride.errors import InputError
from exostride.safety.faults import CATALOGUE, Clear, FaultSpec, Support
from exostride.safety.limits import SafetyLimits, load_limits
from exostride.types import Action

_BLOCK = re.compile(r"(<!-- table:(\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_DIRECTION = {"lower": "lower", "raise": "higher", None: "-"}
_SUPPORT = {Support.DAMP: "damped", Support.HOLD: "stance held", Support.KEEP: "controller goes on"}


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def _bound(row: FaultSpec) -> str:
    return f"{row.bound} T" if row.bound else f"{row.bound_s:g} s"


def fault_table() -> str:
    """Return the catalogue as a table: id, fault, who sees it, reaction, legs, bound, clearing, log code."""
    rows: list[tuple[str, ...]] = []
    for row in CATALOGUE.values():
        legs = _SUPPORT[row.support] if row.action >= Action.SOFT_STOP else "-"
        clear = "reset" if row.clear == Clear.RESET else "by itself"
        action = row.action.name + (", no new start" if row.blocks_start else "")
        rows.append((row.id, row.title, row.detector, action, legs, _bound(row), clear, f"`{row.code}`"))
    head = (
        "id",
        "fault",
        "seen by",
        "strongest reaction",
        "legs while the belt stops",
        "bound",
        "clears",
        "code",
    )
    return _table(head, rows)


def _number(value: float) -> str:
    return f"{value:g}"


def joint_table(limits: SafetyLimits) -> str:
    """Return the limits of hip, knee and ankle side by side, with unit, source and patient's direction."""
    hip, knee, ankle = limits.joints[:3]
    rows: list[tuple[str, ...]] = []
    for name, field in type(hip).model_fields.items():
        extra = field.json_schema_extra
        assert isinstance(extra, dict)
        values = tuple(_number(getattr(joint, name)) for joint in (hip, knee, ankle))
        rows.append((f"`{name}`", *values, str(extra["unit"]), _way(extra), str(field.description)))
    return _table(("limit", *JOINT_KINDS, "unit", "a patient's set may go", "where it comes from"), rows)


def _way(extra: dict[str, object] | object) -> str:
    assert isinstance(extra, dict)
    tighter = extra["tighter"]
    assert tighter is None or isinstance(tighter, str)
    return _DIRECTION[tighter]


def _group(path: str, model: BaseModel) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for name, field in type(model).model_fields.items():
        extra = field.json_schema_extra
        assert isinstance(extra, dict)
        value = _number(getattr(model, name))
        rows.append((f"`{path}.{name}`", value, str(extra["unit"]), _way(extra), str(field.description)))
    return rows


def threshold_table(limits: SafetyLimits) -> str:
    """Return every other limit and threshold with unit, source and patient's direction."""
    rows = [row for path in ("timing", "tank", "belt") for row in _group(path, getattr(limits, path))]
    for name in type(limits.detect).model_fields:
        rows += _group(f"detect.{name}", getattr(limits.detect, name))
    return _table(("limit", "value", "unit", "a patient's set may go", "where it comes from"), rows)


def updated(text: str, limits: SafetyLimits) -> str:
    """Return a page with its generated tables brought up to date.

    Raises
    ------
    InputError
        The page asks for a table that does not exist.
    """
    tables = {
        "faults": fault_table(),
        "joints": joint_table(limits),
        "thresholds": threshold_table(limits),
    }

    def fill(match: re.Match[str]) -> str:
        name = match[2]
        if name not in tables:
            raise InputError(f"unknown table '{name}'; available: {', '.join(tables)}")
        return f"{match[1]}{tables[name]}{match[3]}"

    return _BLOCK.sub(fill, text)


def main(arguments: list[str]) -> None:
    """Rewrite the page named first with the limits file named second."""
    if len(arguments) != 2:
        raise InputError("usage: python -m exostride.safety.document PAGE LIMITS")
    page, limits = Path(arguments[0]), load_limits(Path(arguments[1]))
    page.write_text(updated(page.read_text(encoding="utf-8"), limits), encoding="utf-8")


if __name__ == "__main__":  # pragma: no cover - the line itself; main is tested
    main(sys.argv[1:])
