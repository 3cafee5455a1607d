"""The same page as PDF, by WeasyPrint, with its fonts embedded."""

from __future__ import annotations

import importlib
import logging
import re
from collections.abc import Iterator
from typing import Any, Final

from exostride.errors import ExostrideError, InputError

_FONTS: Final = "apt-get install fonts-noto-core fonts-noto-cjk (or any font of that script)"
_CHARACTER: Final = re.compile(r"notdef glyph rendered.*?:\s*(.+)", re.DOTALL)


class _Unprintable(logging.Handler):
    """Collects the characters that no font of this computer can draw, and drawings that failed."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.characters: list[str] = []
        self.failures: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Take a message of WeasyPrint."""
        found = _CHARACTER.search(record.getMessage())
        if found:
            self.characters.append(found[1].strip())
        elif record.levelno >= logging.ERROR:
            self.failures.append(record.getMessage())


class _OneRun(str):
    """A text that is laid out as a whole."""

    __slots__ = ()

    def __iter__(self) -> Iterator[str]:
        return iter((str(self),))


def _shape_whole_texts() -> None:
    """Make WeasyPrint lay out a chart's text as a whole.

    It does so letter by letter, for drawings that place each letter; ours never do, and Indian scripts fall
    apart: their letters join, and stand in another order than they are written.
    """
    module: Any = importlib.import_module("weasyprint.svg")
    drawn = module.TAGS["text"]
    if getattr(drawn, "whole", False):
        return

    def text(svg: Any, node: Any, font_size: float) -> None:
        if node.text:
            node._etree_node.text = _OneRun(node.text)
        drawn(svg, node, font_size)

    text.whole = True  # type: ignore[attr-defined]
    module.TAGS["text"] = module.text = text


def to_pdf(page: str) -> bytes:
    """Return a page as PDF with its fonts embedded.

    Raises
    ------
    InputError
        WeasyPrint or the libraries that it needs are not installed, or no installed font has the letters
        of the page: a report with boxes for letters is not written.
    ExostrideError
        A drawing could not be made.
    """
    try:
        weasyprint = importlib.import_module("weasyprint")
    except (ImportError, OSError) as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(
            f"PDF needs WeasyPrint and Pango ({reason}); run tools/bootstrap.sh, "
            "or print the HTML page from a browser"
        ) from None
    _shape_whole_texts()
    seen = _Unprintable()
    log = logging.getLogger("weasyprint")
    log.addHandler(seen)
    try:
        data: bytes = weasyprint.HTML(string=page).write_pdf()
    finally:
        log.removeHandler(seen)
    if seen.characters:
        letters = " ".join(dict.fromkeys(seen.characters))[:40]
        raise InputError(f"PDF: no font on this computer can draw {letters}; {_FONTS}")
    if seen.failures:
        raise ExostrideError(f"PDF: {seen.failures[0]}; print the HTML page from a browser")
    return data
