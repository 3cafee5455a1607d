"""Figures of real walkers against what their recordings say directly; skipped, aloud, without them."""

import csv
import dataclasses
import gzip
from itertools import pairwise

import numpy as np
import pytest
from scipy.signal import butter, filtfilt

from exostride.analysis.loading import load_session
from exostride.analysis.summary import analyse, analyse_session
from exostride.conventions import JOINT_KINDS, SIDES
from exostride.exchange import load
from exostride.gait.events.load import LoadDetector
from exostride.gait.phase.settings import EventParameters
from exostride.recording.writer import BagWriter, WriterOptions
from exostride.runtime.simulate import SimulationConfig, run
from exostride.types import EnvironmentState, EventKind, ExoState, GaitEvent, Signal

RATE_HZ = 300.0
OPTIONS = WriterOptions(sync_interval_s=None, start_free_bytes=0, stop_free_bytes=0)


def labelled(path):
    with path.with_name(f"{path.stem}.events.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    return {
        (side, kind): np.array([float(r["t"]) for r in rows if (r["side"], r["event"]) == (side, kind)])
        for side in SIDES
        for kind in ("heel_strike", "toe_off")
    }


def ranges_deg(recording, strikes, column):
    """Mean range over the strides between labelled strikes, straight from the columns."""
    t, angle = recording.time_s, np.degrees(recording.columns[column])
    inside = [angle[(t >= a) & (t <= b)] for a, b in pairwise(strikes) if a >= t[0] and b <= t[-1]]
    return float(np.mean([np.ptp(part) for part in inside]))


def replayed(path, bag, duration_s):
    config = SimulationConfig(
        device="replay", device_parameters={"file": str(path)}, duration_s=duration_s, bag=bag
    )
    run(config)
    return bag


@pytest.mark.slow
def test_a_minute_on_a_treadmill_through_the_whole_stack(data, tmp_path):
    """Angles alone: phase, events, strides and figures are the stack's own."""
    path = data / "recordings" / "opencap_walk60s.csv"
    analysis = analyse(replayed(path, tmp_path / "bag", 60.0))
    recording, events = load(path), labelled(path)
    for side in SIDES:
        strikes = events[side, "heel_strike"]
        assert len(analysis.walk.legs[SIDES.index(side)]) >= 0.8 * (len(strikes) - 1)
        stride = analysis.one("stride_time_s", side)
        assert stride.value == pytest.approx(float(np.diff(strikes).mean()), abs=0.010)
        for kind in JOINT_KINDS:
            expected = ranges_deg(recording, strikes, f"{kind}_{side}")
            assert analysis.one("range_deg", f"{kind}_{side}").value == pytest.approx(expected, abs=1.0)


def test_children_with_their_labelled_events(data, tmp_path):
    paths = sorted((data / "recordings").glob("child_*.csv"))
    paths = [p for p in paths if not p.name.endswith(".events.csv")][:3]
    assert len(paths) == 3
    for path in paths:
        recording, events = load(path), labelled(path)
        bag = tmp_path / path.stem
        with BagWriter(bag, options=OPTIONS) as writer:
            for i, t in enumerate(recording.time_s):
                angle = [recording.columns[f"{kind}_{side}"][i] for side in SIDES for kind in JOINT_KINDS]
                state = ExoState(
                    i,
                    float(t),
                    float(t),
                    available=Signal.JOINT_ANGLE,
                    joint_valid=0b111111,
                    angle_rad=np.array(angle),
                )
                writer.write_value(state, round(float(t) * 1e9))
        told = tuple(
            GaitEvent(0, float(t), float(t), SIDES.index(side), kind)
            for side in SIDES
            for kind, name in ((EventKind.HEEL_STRIKE, "heel_strike"), (EventKind.TOE_OFF, "toe_off"))
            for t in events[side, name]
        )
        told = tuple(sorted(told, key=lambda e: e.time_s))
        analysis = analyse_session(dataclasses.replace(load_session(bag), events=told))
        checked = 0
        for side in SIDES:
            strikes = events[side, "heel_strike"]
            strikes = strikes[(strikes >= recording.time_s[0]) & (strikes <= recording.time_s[-1])]
            found = analysis.one("stride_time_s", side)
            if len(strikes) < 2 or not found.known:
                continue
            assert found.value == pytest.approx(float(np.diff(strikes).mean()), abs=0.002), path.name
            for kind in JOINT_KINDS:
                expected = ranges_deg(recording, strikes, f"{kind}_{side}")
                value = analysis.one("range_deg", f"{kind}_{side}").value
                assert value == pytest.approx(expected, abs=1.0), (path.name, kind, side)
            checked += 1
        assert checked, path.name


def vertical_forces(path):
    """Vertical force of both belts (N, 2), smoothed as laboratories do (10 Hz, no delay)."""
    with gzip.open(path) as stream:
        raw = np.loadtxt(stream, skiprows=1)
    return filtfilt(*butter(2, 10.0 / (0.5 * RATE_HZ)), raw[:, [2, 9]], axis=0)


def contacts(force):
    """Times of contact and release by a fixed threshold of 50 N."""
    down = force > 50.0
    strike, off = (np.flatnonzero(edge) / RATE_HZ for edge in (~down[:-1] & down[1:], down[:-1] & ~down[1:]))
    strike = strike[strike < off[-1]]
    return strike, off[off > strike[0]]


@pytest.mark.parametrize("trial", ["T05", "T07"])
def test_contact_times_and_symmetry_on_a_dual_belt(data, tmp_path, trial):
    """Events by our adaptive detector, truth by a fixed threshold: contact to 20 ms, symmetry to 2 points."""
    force = vertical_forces(data / "grf" / f"WBDS04walk{trial}grf.txt.gz")
    detectors = [LoadDetector(EventParameters()) for _ in SIDES]
    with BagWriter(tmp_path / "bag", options=OPTIONS) as writer:
        for i, row in enumerate(np.maximum(force, 0.0)):
            t = i / RATE_HZ
            both = Signal.FOOT_LOAD | Signal.FOOT_WRENCH
            load_n = np.array([0.5 * row[0], 0.5 * row[0], 0.5 * row[1], 0.5 * row[1]])
            wrench = np.array([0.0, 0.0, row[0], 0.0, 0.0, row[1]])
            state = ExoState(
                i, t, t, available=both, foot_valid=0b11, foot_load_n=load_n, foot_force_n=wrench
            )
            writer.write_value(EnvironmentState(i, t, belt_speed_m_s=1.0), round(t * 1e9))
            writer.write_value(state, round(t * 1e9))
            for side, detector in enumerate(detectors):
                kind, at = detector.step(t, load_n[2 * side], load_n[2 * side + 1])
                if kind:
                    what = EventKind.HEEL_STRIKE if kind > 0 else EventKind.TOE_OFF
                    writer.write_value(GaitEvent(i, at, t, side, what), round(t * 1e9))
    analysis = analyse(tmp_path / "bag")
    stance, impulse = {}, {}
    for side, name in enumerate(SIDES):
        strike, off = contacts(force[:, side])
        n = min(len(strike), len(off))
        stance[name] = float((off[:n] - strike[:n]).mean())
        assert analysis.one("stride_time_s", name).value == pytest.approx(np.diff(strike).mean(), abs=0.010)
        assert analysis.one("stance_time_s", name).value == pytest.approx(stance[name], abs=0.020)
        assert len(analysis.walk.legs[side]) >= len(strike) - 3
        # Over whole strides: a stance more or less of thirty would be three percent.
        first, last = (round(RATE_HZ * at) for at in (strike[0], strike[-1]))
        impulse[name] = float(np.maximum(force[first:last, side], 0.0).sum()) / (len(strike) - 1)
    for name, (left, right) in (
        ("stance_time_symmetry_percent", (stance["left"], stance["right"])),
        ("weight_symmetry_percent", (impulse["left"], impulse["right"])),
    ):
        expected = 100.0 * (left - right) / (0.5 * (left + right))
        assert analysis.one(name).value == pytest.approx(expected, abs=2.0), name
