"""The same page as PDF, by WeasyPrint, with its fonts embedded."""

from __future__ import annotations

import importlib
import logging
import re
from typing import Final

from exostride.errors import InputError

_FONTS: Final = "apt-get install fonts-noto-core fonts-noto-cjk (or any font of that script)"
_CHARACTER: Final = re.compile(r"notdef glyph rendered.*?:\s*(.+)", re.DOTALL)


class _Unprintable(logging.Handler):
    """Collects the characters that no font of this computer can draw."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.characters: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        found = _CHARACTER.search(record.getMessage())
        if found:
            self.characters.append(found[1].strip())


def to_pdf(page: str) -> bytes:
    """Return a page as PDF with its fonts embedded.

    Raises
    ------
    InputError
        WeasyPrint or the libraries that it needs are not installed, or no installed font has the letters
        of the page: a report with boxes for letters is not written.
    """
    try:
        weasyprint = importlib.import_module("weasyprint")
    except (ImportError, OSError) as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(
            f"PDF needs WeasyPrint and Pango ({reason}); run tools/bootstrap.sh, "
            "or print the HTML page from a browser"
        ) from None
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
    return data
