"""Small drawing of charts as SVG: text stays text, lines stay sharp in print, no library and no script.

Colours are those of Okabe & Ito (2008), told apart with every kind of colour blindness; left and right also
differ in their strokes, so that a grey print can be read.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Final

import numpy as np
from numpy.typing import NDArray

LEFT: Final = "#0072B2"
RIGHT: Final = "#D55E00"
GOOD: Final = "#009E73"
SUN: Final = "#E69F00"
INK: Final = "#1d2733"
SOFT: Final = "#5b6875"
LINE: Final = "#d5dbe1"
NORM: Final = "#8a97a5"
SIDE_COLOUR: Final = {"left": LEFT, "right": RIGHT}
SIDE_DASH: Final = {"left": "", "right": "7 3"}

Array = NDArray[np.float64]


def tag(name: str, body: str = "", **attributes: object) -> str:
    """Return an element; ``_`` in attribute names becomes ``-``, None leaves one out."""
    parts = [
        f'{k.rstrip("_").replace("_", "-")}="{escape(_text(v))}"'
        for k, v in attributes.items()
        if v is not None
    ]
    start = " ".join([name, *parts])
    return f"<{start}>{body}</{name}>" if body else f"<{start}/>"


def _text(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def label(
    x: float, y: float, content: str, size: float = 12, anchor: str = "start", fill: str = INK, **more: object
) -> str:
    """Return a text."""
    return tag("text", escape(content), x=x, y=y, font_size=size, text_anchor=anchor, fill=fill, **more)


def picture(width: float, height: float, body: str, title: str, description: str = "") -> str:
    """Return a whole drawing that scales with its box and tells screen readers what it shows."""
    inner = tag("title", escape(title)) + (tag("desc", escape(description)) if description else "")
    return tag(
        "svg",
        inner + body,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width:g} {height:g}",
        role="img",
        aria_label=f"{title}. {description}" if description else title,
        font_family="inherit",
    )


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Return round numbers from ``low`` to ``high``, about so many."""
    span = max(high - low, 1e-9)
    power = 10.0 ** math.floor(math.log10(span / about))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if span / (m * power) <= about)
    first = math.ceil(low / step - 1e-9)
    return [i * step for i in range(first, math.floor(high / step + 1e-9) + 1)]


@dataclass
class Plot:
    """Axes with a few curves; the origin of the data is bottom left.

    ``number`` writes an axis value in the report's language.
    """

    width: float
    height: float
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    number: Callable[[float, int], str]
    x_label: str = ""
    y_label: str = ""
    left: float = 46
    top: float = 16
    right: float = 12
    bottom: float = 38
    parts: list[str] = field(default_factory=list)

    def x(self, value: float) -> float:
        """Return the horizontal place of a value."""
        a, b = self.x_range
        return self.left + (value - a) / (b - a) * (self.width - self.left - self.right)

    def y(self, value: float) -> float:
        """Return the vertical place of a value."""
        a, b = self.y_range
        return self.height - self.bottom - (value - a) / (b - a) * (self.height - self.top - self.bottom)

    def axes(self, x_ticks: Sequence[float] | None = None, y_ticks: Sequence[float] | None = None) -> None:
        """Draw grid, tick labels and names of the axes."""
        at_y = list(y_ticks if y_ticks is not None else ticks(*self.y_range, about=5))
        at_x = list(x_ticks if x_ticks is not None else ticks(*self.x_range, about=5))
        for value in at_y:
            y = self.y(value)
            heavy = abs(value) < 1e-9 and self.y_range[0] < 0.0
            self.parts.append(
                tag(
                    "line",
                    x1=self.left,
                    x2=self.width - self.right,
                    y1=y,
                    y2=y,
                    stroke=SOFT if heavy else LINE,
                    stroke_width=1,
                )
            )
            self.parts.append(
                label(self.left - 6, y + 4, self.number(value, _decimals(at_y)), 11, "end", SOFT)
            )
        for value in at_x:
            x = self.x(value)
            self.parts.append(
                tag(
                    "line",
                    x1=x,
                    x2=x,
                    y1=self.height - self.bottom,
                    y2=self.height - self.bottom + 4,
                    stroke=SOFT,
                )
            )
            self.parts.append(
                label(
                    x,
                    self.height - self.bottom + 16,
                    self.number(value, _decimals(at_x)),
                    11,
                    "middle",
                    SOFT,
                )
            )
        middle = 0.5 * (self.left + self.width - self.right)
        if self.x_label:
            self.parts.append(label(middle, self.height - 6, self.x_label, 11, "middle", SOFT))
        if self.y_label:
            self.parts.append(label(4, 11, self.y_label, 11, "start", SOFT))

    def band(self, x: Array, low: Array, high: Array, fill: str = NORM, opacity: float = 0.25) -> None:
        """Fill between two curves, cut off at the axes."""
        edge = [*zip(x, high, strict=True), *reversed(list(zip(x, low, strict=True)))]
        a, b = self.y_range
        points = " ".join(f"{self.x(u):.1f},{self.y(min(max(v, a), b)):.1f}" for u, v in edge)
        self.parts.append(tag("polygon", points=points, fill=fill, fill_opacity=opacity))

    def line(
        self, x: Array, y: Array, stroke: str, width: float = 2.2, dash: str = "", opacity: float = 1.0
    ) -> None:
        """Draw a curve; not-a-numbers break it."""
        path, pen = [], False
        for u, v in zip(x, y, strict=True):
            if not np.isfinite(v):
                pen = False
                continue
            path.append(f"{'L' if pen else 'M'}{self.x(u):.1f} {self.y(v):.1f}")
            pen = True
        self.parts.append(
            tag(
                "path",
                d=" ".join(path),
                fill="none",
                stroke=stroke,
                stroke_width=width,
                stroke_dasharray=dash or None,
                stroke_opacity=opacity if opacity < 1.0 else None,
                stroke_linejoin="round",
            )
        )

    def dots(self, x: Array, y: Array, fill: str, radius: float = 2.0, opacity: float = 0.5) -> None:
        """Draw points."""
        for u, v in zip(x, y, strict=True):
            if np.isfinite(v):
                self.parts.append(
                    tag("circle", cx=self.x(u), cy=self.y(v), r=radius, fill=fill, fill_opacity=opacity)
                )

    def vertical(self, x: float, stroke: str, dash: str = "3 3") -> None:
        """Draw a vertical line at a value."""
        u = self.x(x)
        self.parts.append(
            tag(
                "line",
                x1=u,
                x2=u,
                y1=self.top,
                y2=self.height - self.bottom,
                stroke=stroke,
                stroke_width=1.2,
                stroke_dasharray=dash,
            )
        )

    def svg(self, title: str, description: str = "") -> str:
        """Return the drawing."""
        return picture(self.width, self.height, "".join(self.parts), title, description)


def _decimals(values: Sequence[float]) -> int:
    """Return how many decimals tell all ticks exactly."""
    return next((n for n in range(6) if all(abs(v - round(v, n)) < 1e-9 for v in values)), 6)


def arc(cx: float, cy: float, radius: float, start: float, end: float) -> str:
    """Return the path of a clockwise arc from the top; ``start`` and ``end`` in parts of a turn."""
    end = min(end, start + 0.9999)
    a, b = (2.0 * math.pi * (v - 0.25) for v in (start, end))
    large = 1 if end - start > 0.5 else 0
    x1, y1 = cx + radius * math.cos(a), cy + radius * math.sin(a)
    x2, y2 = cx + radius * math.cos(b), cy + radius * math.sin(b)
    return f"M{x1:.2f} {y1:.2f} A{radius:g} {radius:g} 0 {large} 1 {x2:.2f} {y2:.2f}"
