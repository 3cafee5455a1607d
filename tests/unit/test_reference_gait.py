"""The reference gait and the published bands."""

import numpy as np
import pytest

from exostride.errors import ConfigError
from exostride.gait.bands import bands_at, load_bands
from exostride.gait.reference import FILE_NAME, derivative, fourier_matrix, load_reference
from exostride.paths import config_dir

PHASE = np.arange(100) / 100
LEG_M = 0.92


@pytest.fixture(scope="module")
def reference():
    return load_reference(config_dir() / "norms" / FILE_NAME)


@pytest.mark.parametrize("speed", [0.3, 0.6, 1.0, 1.3, 1.6])
def test_reference_lies_inside_the_bands_of_its_speed(reference, speed):
    walked = np.degrees(reference.angles(PHASE, speed, LEG_M))
    for band in bands_at(reference.froude_speed(speed, LEG_M)):
        mean, sd = band.angles_deg(PHASE)
        assert (np.abs(walked - mean) <= 2 * sd).mean() > 0.9, band.source


def test_rate_is_the_derivative(reference):
    curve = reference.curve(1.1, LEG_M)
    step = 1e-6
    for phase in (0.0, 0.37, 0.999):
        numeric = (curve.at(phase + step)[0] - curve.at(phase - step)[0]) / (2 * step)
        np.testing.assert_allclose(curve.at(phase)[1], numeric, atol=1e-4)


def test_froude_scaling_gives_the_same_angles_to_another_leg(reference):
    small, tall = 0.6, 1.0
    slow = 1.0 * np.sqrt(small / tall)
    np.testing.assert_allclose(
        reference.angles(PHASE, slow, small), reference.angles(PHASE, 1.0, tall), atol=1e-12
    )


def test_stride_time_is_twice_the_step_over_the_speed(reference):
    assert reference.stride_time_s(1.2, LEG_M) == pytest.approx(2 * reference.step_length_m(1.2, LEG_M) / 1.2)


def test_derivative_of_a_series():
    coefficients = np.array([3.0, 1.0, -2.0, 0.5, 0.25])
    phase = np.linspace(0, 1, 7)
    numeric = (fourier_matrix(phase + 1e-6, 2) - fourier_matrix(phase - 1e-6, 2)) @ coefficients / 2e-6
    np.testing.assert_allclose(fourier_matrix(phase, 2) @ derivative(coefficients), numeric, atol=1e-6)


def test_every_walking_speed_has_exactly_its_tables():
    assert [b.source for b in bands_at(0.2)] == ["Schwartz VerySlow"]
    assert {b.source for b in bands_at(0.33)} == {"Schwartz Slow", "Winter Slow"}
    assert {b.source for b in bands_at(0.43)} == {"Schwartz Free", "Winter Natural"}
    assert len(load_bands()) == 8


def test_schwartz_bands_are_means_not_means_plus_one_sd():
    # The authors' own table of extrema: free walking, knee at contact 5.6 deg with an SD of 5.7 deg.
    free = next(b for b in load_bands() if b.source == "Schwartz Free")
    mean, sd = free.angles_deg(np.array([0.0]))
    assert mean[0, 1] == pytest.approx(5.6, abs=0.5)
    assert sd[0, 1] == pytest.approx(5.7, abs=0.5)


def test_damaged_file_is_named(tmp_path):
    path = tmp_path / "reference.yaml"
    path.write_text("made_by: me\n")
    with pytest.raises(ConfigError, match=r"reference\.yaml.*angle_deg: missing"):
        load_reference(path)
