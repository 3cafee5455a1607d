"""Gathers every message of the reports, for translators: ``python -m exostride.report.catalogue``.

Brings ``locale/*.po`` up to date: new messages come in untranslated, those no longer used go.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po

from exostride.analysis import assessments, findings, progress
from exostride.analysis.estimate import REASONS
from exostride.analysis.registry import Group, ordered
from exostride.report import charts, html
from exostride.report.language import FOLDER, LANGUAGES

_HERE: Final = Path(__file__).parent
_IN_TEMPLATE: Final = re.compile(r"""\b_\(\s*(?:"([^"]*)"|'([^']*)')""")


def messages() -> list[str]:
    """Return every message, once, in a stable order."""
    return list(dict.fromkeys(text for text in [*_declared(), *_written()] if text))


def _declared() -> Iterator[str]:
    for metric in ordered():
        yield metric.title
    yield from (group.value for group in Group)
    yield from (*REASONS, *assessments.REASONS)
    yield from (*findings.TITLES, *findings.TEXTS, *findings.RULES.values(), *findings.EXERCISES.values())
    yield from (*progress.VERDICTS, *progress.WARNINGS, *(m.text for m in progress.MILESTONES))
    yield from (*charts.JOINT_WORDS.values(), *charts.SIDE_WORDS.values(), *charts.ANGLE_AXIS.values())
    yield from (*html.SUPERVISOR_WORDS.values(), *html.ACTION_WORDS.values(), *html.TILES.values())
    yield from (key.capitalize() for key in html.FACTS)
    yield from ("left", "right")


def _written() -> Iterator[str]:
    """Yield the literal messages in calls of ``_`` in the code and the templates."""
    for file in sorted(_HERE.glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id == "_"
                and node.args
            ):
                first = node.args[0]
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    yield first.value
    for file in sorted((_HERE / "templates").glob("*.jinja")):
        for a, b in _IN_TEMPLATE.findall(file.read_text(encoding="utf-8")):
            yield a or b


def update(code: str) -> int:
    """Bring one catalogue up to date; return how many messages it lacks."""
    path = FOLDER / f"{code}.po"
    old: dict[str, str] = {}
    if path.is_file():
        with path.open("rb") as stream:
            old = {str(m.id): str(m.string) for m in read_po(stream, locale=code) if m.id}
    catalogue = Catalog(locale="zh_Hans" if code == "zh" else code, project="Exostride", charset="utf-8")
    for text in messages():
        catalogue.add(text, old.get(text, ""))
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as stream:
        write_po(stream, catalogue, width=110, omit_header=True)
    return sum(not old.get(text) for text in messages())


def main() -> None:
    """Update all catalogues and say what they lack."""
    for code in LANGUAGES[1:]:
        print(f"{code}: {update(code)} messages to translate")


if __name__ == "__main__":
    main()
