"""The pictures of ``exostride bench walking``."""

import numpy as np
import pytest

from exostride.bench.walking_page import figure_svg, write_page, write_picture


@pytest.fixture
def curves():
    return {
        f"{robot} {speed:g} m/s": {
            "angle_deg": np.full((100, 3), 5.0),
            "vertical_n_kg": np.zeros(100),
            "froude": 0.33 * speed,
        }
        for robot in ("none", "exoskeleton")
        for speed in (0.6, 1.0)
    }


def test_picture_has_the_walks_in_the_robot_only(curves, tmp_path):
    curves["exoskeleton 1.3 m/s"] = {}
    path = tmp_path / "walking.svg"
    write_picture(path, curves)
    text = path.read_text("utf-8")
    assert "exoskeleton 0.6 m/s" in text and "exoskeleton 1 m/s" in text
    assert "none 1 m/s" not in text and "1.3 m/s" not in text
    assert figure_svg({"one": curves["none 1 m/s"]}).count("Winter Slow") == 1


def test_page_says_where_a_patient_fell(curves, tmp_path):
    path = tmp_path / "page.html"
    write_page(path, {"seed": 0}, curves | {"none 1.3 m/s": {}})
    assert path.read_text("utf-8").count("<svg") == 4
    assert "fell before" in path.read_text("utf-8")
