"""The report's language: messages from gettext catalogues, numbers and dates by CLDR through Babel.

Catalogues are ``locale/<language>.po`` beside this file, read as they are: nothing to compile, nothing
that can be out of date. A message that a catalogue lacks stays English; a test keeps that from
happening. Definitions and citations of metrics stay in the language of their sources.
"""

from __future__ import annotations

import math
import re
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Final

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_time
from babel.messages.pofile import read_po
from babel.numbers import format_decimal

from exostride.errors import InputError

FOLDER: Final = Path(__file__).parent / "locale"
LANGUAGES: Final = ("en", "de", "es", "hi", "ta", "zh")
"""Languages of the report; ``zh`` is Simplified Chinese."""
_LOCALES: Final = {
    "zh": "zh_Hans_CN",
    "hi": "hi_IN",
    "ta": "ta_IN",
    "en": "en_GB",
    "de": "de_DE",
    "es": "es_ES",
}
_INDIAN: Final = ("hi", "ta")
"""Languages whose digits are grouped by twos above the thousand."""
MISSING: Final = "–"
_BEFORE_UNIT: Final = re.compile(r"(?<=\d) (?=[%°]|(?:m|mm|m/s|min|s)\b)")


@cache
def _messages(code: str) -> dict[str, str]:
    path = FOLDER / f"{code}.po"
    if code == "en":
        return {}
    with path.open("rb") as stream:
        catalogue = read_po(stream, locale=code)
    return {str(m.id): str(m.string) for m in catalogue if m.id and m.string and not m.fuzzy}


class Language:
    """One language: call it with an English message to get the translation.

    Raises
    ------
    InputError
        There is no catalogue for the language.
    """

    def __init__(self, code: str = "en") -> None:
        short = code.replace("-", "_").split("_")[0].lower()
        if short not in LANGUAGES:
            raise InputError(
                f"language '{code}': there is no catalogue; choose one of {', '.join(LANGUAGES)}"
            )
        try:
            self._locale = Locale.parse(_LOCALES[short])
        except (ValueError, UnknownLocaleError) as error:
            raise InputError(f"language '{code}': {error}") from None
        self.code = short
        self._table = _messages(short)

    @property
    def tag(self) -> str:
        """BCP 47 tag for ``<html lang>``."""
        return "zh-Hans" if self.code == "zh" else self.code

    def __call__(self, message: str, **values: object) -> str:
        """Return the translation of ``message``, placeholders in braces filled with ``values``."""
        text = self._table.get(message, message)
        # A number keeps its unit beside it at the end of a line.
        return _BEFORE_UNIT.sub("\u00a0", text.format(**values)) if values else text

    def number(self, value: float, decimals: int = 1) -> str:
        """Return a number with fixed decimals in the language's form, a dash when it is none."""
        if not math.isfinite(value):
            return MISSING
        whole = "#,##,##0" if self.code in _INDIAN else "#,##0"
        pattern = f"{whole}.{'0' * decimals}" if decimals else whole
        rounded = round(value, decimals)
        return format_decimal(rounded + 0.0, format=pattern, locale=self._locale).replace("-", "−")

    def date(self, moment: datetime) -> str:
        """Return a date in words."""
        return format_date(moment, format="long", locale=self._locale)

    def time(self, moment: datetime) -> str:
        """Return the time of day."""
        return format_time(moment, format="short", locale=self._locale)

    def clock(self, seconds: float) -> str:
        """Return a duration as minutes and seconds, m:ss."""
        whole = round(seconds)
        return f"{self.number(whole // 60, 0)}:{whole % 60:02d}"
