"""Order of the tests, fast ones first, and the same examples for everybody.

Hypothesis draws the same examples in every run, so that a red test means a changed product. To search
for new ones: ``make test PYTEST="--hypothesis-profile=search tests/property"``.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

_ANY_SPEED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("same", _ANY_SPEED, derandomize=True)
settings.register_profile("search", _ANY_SPEED, derandomize=False, print_blob=True)
settings.load_profile("same")

_KINDS = ("unit", "property", "scenario", "integration", "launch")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run unit tests first and slow tests last, otherwise in the order found."""
    root = config.rootpath / "tests"

    def cost(item: pytest.Item) -> tuple[bool, int]:
        kind = item.path.relative_to(root).parts[0] if item.path.is_relative_to(root) else ""
        place = _KINDS.index(kind) if kind in _KINDS else len(_KINDS)
        return item.get_closest_marker("slow") is not None, place

    items.sort(key=cost)
