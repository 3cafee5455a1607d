"""Milestones as pictures: what was reached, and how far it is to the next one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from exostride.analysis.progress import MILESTONES, Milestone, reached
from exostride.analysis.registry import REGISTRY, Better
from exostride.report import svg
from exostride.report.language import Language
from exostride.types import Vector

_WIDTH, _HEIGHT = 420.0, 66.0
_BAR: Final = (64.0, 40.0, 300.0, 14.0)
"""Left, top, width, height of the bar."""


@dataclass(frozen=True, slots=True)
class Step:
    """The way to one milestone: the newest figure, the level, and how much of the way is done (0 to 1)."""

    milestone: Milestone
    value: float
    done: float
    session: int | None
    """Session (from 0) that reached it; None when it is still ahead."""


def way(milestone: Milestone, values: Vector, better: Better) -> Step | None:
    """Return how far a patient is on the way to a milestone; None when they began beyond it, or are unknown.

    A way that begins at zero, for speed and steps; from the first session's figure, for evenness.
    """
    known = values[np.isfinite(values)]
    if not len(known):
        return None
    first, last = float(known[0]), float(known[-1])
    at = reached(milestone, values, better)
    if better == Better.ZERO:
        if abs(first) <= milestone.level:
            return None
        done = (abs(first) - abs(last)) / (abs(first) - milestone.level)
    else:
        if first >= milestone.level:
            return None
        done = last / milestone.level
    return Step(milestone, last, 1.0 if at is not None else float(np.clip(done, 0.0, 1.0)), at)


def shown(courses: dict[tuple[str, str], tuple[Vector, Better]]) -> Iterator[Step]:
    """Yield what is worth a picture: the last milestone reached and the next ahead, of each kind."""
    for place, (values, better) in courses.items():
        steps = [way(m, values, better) for m in MILESTONES if (m.metric, m.key) == place]
        found = [step for step in steps if step is not None]
        behind = [step for step in found if step.session is not None]
        ahead = [step for step in found if step.session is None]
        yield from (*behind[-1:], *ahead[:1])


def picture(step: Step, day: str, _: Language) -> str:
    """Return a picture, the milestone's words, and a bar; ``day`` is when it was reached."""
    metric = REGISTRY[step.milestone.metric]
    words = _(step.milestone.text, level=_.number(step.milestone.level, 0))
    colour = svg.GOOD if step.session is not None else svg.LEFT
    left, top, width, height = _BAR
    parts = [_icon(step.milestone, colour)]
    parts.append(svg.tag("rect", x=left, y=top, width=width, height=height, rx=7, fill="#e6ebf0"))
    if step.done > 0.01:
        parts.append(
            svg.tag(
                "rect", x=left, y=top, width=max(width * step.done, 14.0), height=height, rx=7, fill=colour
            )
        )
    percent = f"{_.number(100.0 * step.done, 0)} %"
    parts.append(svg.label(left + width + 8, top + 12, percent, 13, "start", svg.INK, font_weight=700))
    if step.session is not None:
        note = f"{_('reached')}: {_('Session')} {_.number(step.session + 1, 0)}, {day}"
    else:
        note = f"{_('now')}: {_.number(step.value, metric.decimals)} {metric.unit}".strip()
    parts.append(svg.label(left, 30, note, 12, "start", svg.SOFT))
    drawing = svg.picture(_WIDTH, _HEIGHT, "".join(parts), words, f"{note}; {percent}")
    return f'<figure class="milestone">{drawing}<figcaption>{words}</figcaption></figure>'


def _icon(milestone: Milestone, colour: str) -> str:
    """Return a house, houses, stairs or scales, 48 units wide."""
    if milestone.metric == "speed_m_s" and milestone.level < 0.6:
        body = "M6 32 L26 14 L46 32 M11 29 V54 H41 V29 M21 54 V41 H31 V54"
    elif milestone.metric == "speed_m_s":
        body = "M4 54 V28 H20 V54 V16 H34 V54 V34 H48 V54 M9 35 H15 M9 43 H15 M25 24 H29 M25 33 H29"
    elif milestone.metric == "steps":
        body = "M4 54 H16 V44 H28 V34 H40 V24 H48"
    else:
        body = "M26 16 V54 M16 54 H36 M8 22 H44 M8 22 L2 38 H14 Z M44 22 L38 38 H50 Z"
    return svg.tag(
        "path",
        d=body,
        fill="none",
        stroke=colour,
        stroke_width=3,
        stroke_linejoin="round",
        stroke_linecap="round",
    )
