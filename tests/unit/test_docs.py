"""The documentation names only what is there."""

import re
from pathlib import Path

import pytest

from exostride.cli import BENCHES, COMMANDS
from exostride.runtime.launch import declared_arguments

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
IDS = [str(page.relative_to(ROOT)) for page in PAGES]
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
LAUNCH_ARGUMENTS = {
    argument.name for file in (ROOT / "launch").glob("*.launch.yaml") for argument in declared_arguments(file)
}


def code(page: Path) -> str:
    """Everything that is set as code: blocks and spans."""
    text = page.read_text(encoding="utf-8")
    return "\n".join(
        re.findall(r"^```.*?^```", text, re.MULTILINE | re.DOTALL) + re.findall(r"`[^`\n]+`", text)
    )


def slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|href)="([^"]+)"', text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), f"{page.name}: no file {target}"
        if anchor and file.suffix == ".md":
            headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in map(slug, headings), f"{page.name}: no heading {target}"


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_commands_exist(page):
    for name, sub in re.findall(r"(?:^|[\s/`$])exostride ([a-z]+)(?: ([a-z]+))?", code(page), re.MULTILINE):
        assert name in {*COMMANDS, "bench"}, f"{page.name}: exostride {name}"
        if name == "bench" and sub:
            assert sub in BENCHES, f"{page.name}: exostride bench {sub}"
    for target in re.findall(r"(?:^|[\s`])make ([a-z]+)", code(page), re.MULTILINE):
        assert target in TARGETS, f"{page.name}: make {target}"


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_launch_arguments_exist(page):
    for line in code(page).splitlines():
        if "launch" in line:
            for name in re.findall(r"\b([a-z_]+):=", line):
                assert name in LAUNCH_ARGUMENTS, f"{page.name}: {name}:="


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_files_named_in_the_text_exist(page):
    made = ("install/", "sessions/", ".venv", ".cache")
    for name in re.findall(r"`((?:[\w.-]+/)+[\w.-]*|[\w.-]+/)`", page.read_text(encoding="utf-8")):
        top = name.split("/")[0]
        if (ROOT / top).exists() and not name.startswith(made):
            assert (ROOT / name).exists(), f"{page.name}: {name}"
