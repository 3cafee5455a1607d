"""Prints docs/metrics.md from the registry: ``python -m exostride.analysis.document``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import exostride.analysis.metrics  # noqa: F401  (fills the registry)
from exostride.analysis.findings import EXERCISES, RULES
from exostride.analysis.registry import Group, Metric, ordered

_HEAD = """# Metrics

Every figure of `exostride analyze` and of the reports. This page is made from the code by
`python -m exostride.analysis.document docs/metrics.md`; a test holds it to the registry.

A stride counts when it lies inside the recording, no more than four ticks in a row are missing in it, the
supervisor was in TRAIN all the while (where its states were recorded), and the belt moved (where its speed
was recorded and it ever moves). Values are means over strides; `margin95` is half the width of the 95 %
confidence interval (Student's t, with the number of independent strides reduced by their lag-one
correlation). A figure that cannot be computed is null and says why.
Sides: left, right. Joints: hip, knee, ankle of each side. "Truth" is that of the virtual patient or of a
made session.
"""


def _entry(metric: Metric) -> Iterator[str]:
    unit = f" [{metric.unit}]" if metric.unit else ""
    yield f"### `{metric.name}`{unit}"
    yield ""
    yield f"{metric.title}, one value a {metric.scope.value}. {metric.definition}"
    yield ""
    if metric.sign:
        yield f"- Sign: {metric.sign}"
    if metric.better:
        yield f"- Better: {metric.better.value}"
    yield f"- Source: {metric.citation}"
    if metric.norm:
        yield f"- Norm: {metric.norm}"
    yield f"- Tolerance against truth: {metric.tolerance}"
    yield ""


def _lines() -> Iterator[str]:
    yield _HEAD
    for group in Group:
        yield f"## {group.value}"
        yield ""
        for metric in ordered():
            if metric.group == group:
                yield from _entry(metric)
    yield "## Findings"
    yield ""
    yield "| code | rule |"
    yield "|---|---|"
    yield from (f"| {code} | {rule} |" for code, rule in RULES.items())
    yield ""
    yield "## Suggested exercises"
    yield ""
    yield "Decision support for a qualified therapist, never an order."
    yield ""
    yield "| finding | suggestion |"
    yield "|---|---|"
    yield from (f"| {code.removeprefix('norm:')} | {text} |" for code, text in EXERCISES.items())


def page() -> str:
    """Return the page."""
    return "\n".join(_lines()) + "\n"


if __name__ == "__main__":
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(page(), encoding="utf-8")
    else:
        print(page(), end="")
