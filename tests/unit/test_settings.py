"""Therapy settings are taken or refused as a whole, with field, value, range and unit."""

import numpy as np
import pytest

from exostride.control.settings import BOUNDS, from_mapping, problems
from exostride.errors import ConfigError
from exostride.types import SupportKind, TherapySettings


def test_the_defaults_are_good():
    assert problems(TherapySettings()) == ()


@pytest.mark.parametrize("name", sorted(BOUNDS))
def test_every_bound_bites_on_both_sides_and_holds_its_edge(name):
    bound = BOUNDS[name]
    default = getattr(TherapySettings(), name)
    for edge, beyond in ((bound.low, -1), (bound.high, 1)):
        outside = edge + beyond * max(abs(edge), 1.0) * 1e-3 if name != "goal_steps" else edge + beyond
        value = np.full_like(default, outside) if isinstance(default, np.ndarray) else outside
        found = problems(TherapySettings(**{name: value}))
        assert any(line.startswith(name) and bound.unit in line for line in found)
        inside = np.full_like(default, edge) if isinstance(default, np.ndarray) else edge
        assert not [line for line in problems(TherapySettings(**{name: inside})) if "must be from" in line]


def test_not_a_number_is_refused():
    assert problems(TherapySettings(belt_speed_m_s=float("nan")))


def test_crossed_bounds_name_the_joint():
    low = np.zeros(6)
    low[4] = 0.9
    (line,) = problems(TherapySettings(assistance_min=low, assistance_max=np.full(6, 0.5)))
    assert "assistance_min[knee_right] = 0.9" in line


def test_mapping_gives_a_whole_vector_for_one_number_and_names_for_kinds():
    settings = from_mapping({"assistance": 0.4, "support_kind": "spring", "goal_steps": 50}, "test")
    assert settings.assistance == pytest.approx(np.full(6, 0.4))
    assert settings.support_kind == SupportKind.SPRING
    assert settings.goal_steps == 50


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"belt_sped_m_s": 1}, "belt_sped_m_s: unknown setting"),
        ({"belt_speed_m_s": "fast"}, "must be a number"),
        ({"belt_speed_m_s": 9}, "must be from 0 to 2 m/s"),
        ({"assistance": [1, 2]}, "needs one number or 6"),
        ({"goal_steps": 1.5}, "whole number"),
        ({"self_paced": 1}, "must be a bool"),
        ({"support_kind": "balloon"}, "constant_force, counterweight, spring"),
        ({"support_kind": 7}, "must be one of"),
        ({"controller": 3}, "must be a str"),
    ],
)
def test_bad_values_are_explained(values, words):
    with pytest.raises(ConfigError, match=words):
        from_mapping(values, "protocol.yaml")
