"""Order of the tests: what is fast fails first."""

from __future__ import annotations

import pytest

_KINDS = ("unit", "property", "scenario", "integration", "launch")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run unit tests first and slow tests last, otherwise in the order found."""
    root = config.rootpath / "tests"

    def cost(item: pytest.Item) -> tuple[bool, int]:
        kind = item.path.relative_to(root).parts[0] if item.path.is_relative_to(root) else ""
        place = _KINDS.index(kind) if kind in _KINDS else len(_KINDS)
        return item.get_closest_marker("slow") is not None, place

    items.sort(key=cost)
