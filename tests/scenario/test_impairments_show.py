"""Impairments show as they do in people: stiff knee, low toe, limp; on their own side, without a fall."""

import pytest

from exostride.bench.impairments import figures, unimpaired_of
from exostride.patient.profiles import load_profile

pytestmark = pytest.mark.slow
SECONDS = 6.0
OTHER = {"left": "right", "right": "left"}


@pytest.mark.parametrize(
    ("name", "side", "knee_loss_deg", "toe_loss_mm"),
    [
        ("hemiparetic_left_mild", "left", 2.0, 3.0),
        ("hemiparetic_right_severe", "right", 5.0, 8.0),
        ("foot_drop", "left", None, 5.0),
    ],
)
def test_paretic_side_is_worse_than_the_other_and_than_sound(name, side, knee_loss_deg, toe_loss_mm):
    profile = load_profile(name)
    walk, healthy = (figures(p, 1, SECONDS) for p in (profile, unimpaired_of(profile)))
    assert not walk["fell"] and not healthy["fell"]
    toe, knee = walk["clearance_mm"], walk["knee_deg"]
    assert toe[side] < min(toe[OTHER[side]], healthy["clearance_mm"][side]) - toe_loss_mm
    assert walk["step_asymmetry_percent"] > healthy["step_asymmetry_percent"] + 1.0
    if knee_loss_deg is not None:
        assert knee[side] < min(knee[OTHER[side]], healthy["knee_deg"][side]) - knee_loss_deg


def test_a_spastic_diplegia_stiffens_both_knees_alike():
    profile = load_profile("spastic")
    walk, healthy = (figures(p, 1, 9.0) for p in (profile, unimpaired_of(profile)))
    assert not walk["fell"] and not healthy["fell"]
    knee = walk["knee_deg"]
    assert abs(knee["left"] - knee["right"]) < 3.0
    assert max(knee.values()) < min(healthy["knee_deg"].values()) - 0.5
