"""A recorded walker comes through the device as an exoskeleton would have measured it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exostride.errors import ConfigError, DeviceError, InputError
from exostride.exchange import MotionRecording, load, save
from exostride.hardware.replay import ReplayDevice
from exostride.interfaces import Device
from exostride.types import (
    DriveCommand,
    EnvironmentCommand,
    ExoState,
    HarnessAction,
    KernelOutput,
    Mode,
    Signal,
)

Walker = Callable[..., MotionRecording]
T = 0.005


def play(path: Path, **parameters: Any) -> tuple[ReplayDevice, list[ExoState]]:
    device = ReplayDevice()
    device.configure({"file": str(path), **parameters}, T)
    states = []
    while not device.finished():
        states.append(device.read(len(states)).exo)
    return device, states


@pytest.fixture
def sixty(tmp_path: Path, walker: Walker) -> Path:
    save(tmp_path / "w.csv", walker())
    return tmp_path / "w.csv"


def test_it_is_a_device() -> None:
    assert isinstance(ReplayDevice(), Device)


def test_angles_and_velocities_follow_the_motion(sixty: Path) -> None:
    device, states = play(sixty)
    assert states[-1].seq == len(states) - 1 and device.duration_s == states[-1].time_s
    t = 0.5 + np.array([state.time_s for state in states])
    assert t[-1] == pytest.approx(0.5 + 239 / 60, abs=T)
    angle = np.array([state.angle_rad for state in states])
    velocity = np.array([state.velocity_rad_s for state in states])
    wave = 2 * np.pi * t
    knee = 0.5 + 0.45 * np.sin(wave + 1)
    assert np.max(np.abs(angle[:, 1] - knee)) < 0.002
    # The slope of a cubic through 60 Hz samples is off by a few per cent at the turning points.
    error = velocity[:, 1] - 0.45 * 2 * np.pi * np.cos(wave + 1)
    assert np.sqrt(np.mean(error**2)) < 0.03 * 0.45 * 2 * np.pi
    assert all(state.stamp_s == state.time_s == state.seq * T for state in states)


def test_segments_come_from_the_file_or_from_the_joints(sixty: Path) -> None:
    device, states = play(sixty)
    last = states[100]
    assert last.segment_valid == 0b111111 and last.joint_valid == 0b111111 and last.foot_valid == 0b11
    assert last.available == Signal.JOINT_ANGLE | Signal.SEGMENT | Signal.FOOT_LOAD
    assert last.segment_angle_rad[1] == pytest.approx(last.segment_angle_rad[0] - last.angle_rad[1])
    assert last.segment_angle_rad[5] == pytest.approx(last.segment_angle_rad[4] + last.angle_rad[5])
    rate = np.array([state.segment_rate_rad_s[0] for state in states])
    wave = 2 * np.pi * (0.5 + np.array([state.time_s for state in states]))
    assert np.max(np.abs(rate - 0.8 * np.pi * np.cos(wave))) < 0.01
    load_n = np.array([state.foot_load_n for state in states])
    assert load_n[:, 0].max() == pytest.approx(300, abs=1) and not load_n[:, 1].any()
    assert "shank_left" in device.notes[0]


def test_what_is_missing_is_marked(tmp_path: Path, walker: Walker) -> None:
    whole = walker()
    columns = {name: whole.columns[name] for name in ("thigh_angle_right", "knee_left")}
    save(tmp_path / "w.csv", MotionRecording(whole.time_s, columns))
    _, states = play(tmp_path / "w.csv")
    assert states[0].joint_valid == 0b000010 and states[0].segment_valid == 0b001000
    assert states[0].foot_valid == 0 and states[0].available == Signal.JOINT_ANGLE | Signal.SEGMENT


def test_hold_is_strictly_causal(tmp_path: Path, walker: Walker) -> None:
    """What was read up to a tick must not change when the rest of the recording does."""
    whole = walker()
    cut = 100
    other = {
        name: np.where(np.arange(len(whole)) > cut, 0.1, values) for name, values in whole.columns.items()
    }
    save(tmp_path / "a.csv", whole)
    save(tmp_path / "b.csv", MotionRecording(whole.time_s, other))
    _, a = play(tmp_path / "a.csv", resampling="hold")
    _, b = play(tmp_path / "b.csv", resampling="hold")
    changed = int(np.ceil((whole.time_s[cut + 1] - whole.time_s[0]) / T - 1e-9))
    for first, second in zip(a[:changed], b[:changed], strict=True):
        assert np.array_equal(first.angle_rad, second.angle_rad)
        assert np.array_equal(first.velocity_rad_s, second.velocity_rad_s)
        assert np.array_equal(first.segment_rate_rad_s, second.segment_rate_rad_s)
    assert not np.array_equal(a[changed].angle_rad, b[changed].angle_rad)


@pytest.mark.parametrize("resampling", ["interpolate", "hold"])
def test_samples_are_met_exactly(tmp_path: Path, walker: Walker, resampling: str) -> None:
    whole = walker(rate_hz=100.0)
    save(tmp_path / "w.csv", whole)
    _, states = play(tmp_path / "w.csv", resampling=resampling)
    hips = np.array([state.angle_rad[0] for state in states])[::2]
    reference = whole.columns["hip_left"]
    if resampling == "interpolate":
        assert np.allclose(hips, reference[: len(hips)], atol=1e-9)
    else:
        # Rounding of the times decides whether a tick on a sample sees it or the one before.
        before = np.concatenate([reference[:1], reference])
        assert all(h in (reference[i], before[i]) for i, h in enumerate(hips))


def test_speed_scales_time_and_rates(sixty: Path) -> None:
    device, slow = play(sixty, speed=0.5)
    normal_device, normal = play(sixty)
    assert len(slow) == pytest.approx(2 * len(normal), abs=2)
    assert slow[400].angle_rad == pytest.approx(normal[200].angle_rad)
    assert slow[400].velocity_rad_s == pytest.approx(0.5 * normal[200].velocity_rad_s)
    assert [e.time_s for e in device.events] == pytest.approx([2 * e.time_s for e in normal_device.events])


def test_events_are_in_control_time_and_cut_with_the_recording(sixty: Path) -> None:
    device, _ = play(sixty)
    assert [event.time_s for event in device.events] == pytest.approx([0.75, 1.0, 1.75])
    device, states = play(sixty, start_s=1.4, end_s=2.0)
    assert [event.time_s for event in device.events] == pytest.approx([0.1])
    assert states[-1].time_s == pytest.approx(0.6)


def test_no_torque_and_the_harness_confirms(sixty: Path) -> None:
    device = ReplayDevice()
    device.configure({"file": str(sixty)}, T)
    command = EnvironmentCommand(0, 0.0, belt_speed_m_s=0.5, harness_action=HarnessAction.LIFT)
    drive = DriveCommand(torque_nm=np.full(6, 9.0))
    zero = np.zeros(6, dtype=np.uint32)
    output = KernelOutput(drive, command, np.full(6, 9.0), zero, 0, Mode.TRAIN, 0.0, 0, 0, 0, 0)
    applied = device.write(output)
    assert not applied.mean_nm.any() and not applied.peak_nm.any()
    reading = device.read(1)
    assert reading.environment.harness_action == HarnessAction.LIFT and reading.environment.harness_confirmed
    assert reading.environment.belt_speed_m_s == 0.0
    assert not reading.exo.joint_torque_nm.any() and reading.truth is None


def test_behind_the_end_nothing_is_measured(sixty: Path) -> None:
    device, states = play(sixty)
    after = device.read(len(states)).exo
    assert device.finished() and after.joint_valid == after.segment_valid == after.foot_valid == 0
    device.close()
    device.close()
    with pytest.raises(DeviceError, match="before configure"):
        device.read(0)


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({}, ConfigError, "file: missing"),
        ({"file": "x.csv", "sped": 1}, ConfigError, "sped: unknown key"),
        ({"file": "x.csv", "speed": 9.0}, ConfigError, "speed"),
        ({"file": "x.csv", "resampling": "fast"}, ConfigError, "resampling"),
        ({"file": "nowhere.csv"}, InputError, "no such file"),
    ],
)
def test_bad_parameters_are_named(parameters: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        ReplayDevice().configure(parameters, T)


def test_a_cut_that_leaves_nothing_and_a_file_without_signals(sixty: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nothing between"):
        play(sixty, start_s=100.0)
    t = np.arange(100) * 0.01
    save(tmp_path / "m.csv", MotionRecording(t, {"sacrum_x": t}))
    with pytest.raises(ConfigError, match="no joint, segment or foot load"):
        play(tmp_path / "m.csv")


def test_real_walker(recordings: Path) -> None:
    path = recordings / "opencap_walk60s.csv"
    device, states = play(path)
    recording = load(path)
    assert abs(device.duration_s - (recording.time_s[-1] - recording.time_s[0])) <= T
    assert len(device.events) == len(recording.events)
    t = np.array([state.time_s for state in states])
    knee = np.array([state.angle_rad[4] for state in states])
    back = np.interp(recording.time_s, t, knee)
    assert np.sqrt(np.mean((back - recording.columns["knee_right"])[:-1] ** 2)) < 0.003
    # Integrating the velocity must give the angle back.
    speed = np.array([state.velocity_rad_s[4] for state in states])
    summed = knee[0] + np.concatenate([[0.0], np.cumsum((speed[1:] + speed[:-1]) / 2 * T)])
    assert np.max(np.abs(summed - knee)) < 0.05
    assert states[0].joint_valid == 0b111111 and states[0].segment_valid == 0b111111


def test_real_partial_sensors(recordings: Path) -> None:
    _, states = play(recordings / "tamu_s1.csv", end_s=20.0)
    assert states[0].available == Signal.SEGMENT | Signal.FOOT_LOAD
    assert states[0].segment_valid == 0b001000 and states[0].foot_valid == 0b10
    _, states = play(recordings / "hipexo_s00.csv", end_s=10.0)
    assert states[0].available == Signal.SEGMENT and states[0].segment_valid == 0b011000
