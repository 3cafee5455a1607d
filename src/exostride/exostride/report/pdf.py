"""The same page as PDF, by WeasyPrint (an extra: ``pip install -r requirements/report.txt``)."""

from __future__ import annotations

import importlib

from exostride.errors import InputError


def to_pdf(page: str) -> bytes:
    """Return a page as PDF with its fonts embedded.

    Raises
    ------
    InputError
        WeasyPrint, or the libraries that it needs, are not installed.
    """
    try:
        weasyprint = importlib.import_module("weasyprint")
    except (ImportError, OSError) as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(
            f"PDF needs WeasyPrint ({reason}); pip install -r requirements/report.txt, "
            "or print the HTML page from a browser"
        ) from None
    data: bytes = weasyprint.HTML(string=page).write_pdf()
    return data
