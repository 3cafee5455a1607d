"""From a bag to a finished report on the disk."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from exostride.analysis.summary import Analysis, analyse
from exostride.errors import InputError
from exostride.report.html import session_page
from exostride.report.language import Language


def make(bag: Path, out: Path | None = None, language: str = "en") -> Path:
    """Analyse a bag and write its report; return where it is.

    Parameters
    ----------
    bag
        Bag folder or MCAP file.
    out
        File to write, ``.html`` or ``.pdf``; by default ``report.html`` in the bag's folder.
    language
        One of :data:`exostride.report.language.LANGUAGES`.

    Raises
    ------
    InputError
        The bag can't be read, the language is unknown, or the file can't be written.
    """
    words = Language(language)
    target = out if out is not None else default_target(bag)
    return write(analyse(bag), target, words)


def default_target(bag: Path) -> Path:
    """Return where the report of a bag goes when nobody says: beside its files."""
    return (bag if bag.is_dir() else bag.parent) / "report.html"


def write(analysis: Analysis, target: Path, language: Language) -> Path:
    """Write the report of an analysis, whole or not at all."""
    page = session_page(analysis, language)
    if target.suffix.lower() == ".pdf":
        from exostride.report.pdf import to_pdf

        return save(target, to_pdf(page))
    if target.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"{target}: a report is written as .html or .pdf")
    return save(target, page.encode("utf-8"))


def save(target: Path, data: bytes) -> Path:
    """Write a file under another name first, so that nothing half-written carries the right one."""
    try:
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(target)
    except OSError as error:
        raise InputError(f"{target}: can't be written ({error.strerror})") from None
    return target
