"""Cases of the safety bench without a walk: power lost, damaged bags, files and settings (F29-F31, F35)."""

from __future__ import annotations

import itertools
import mmap
import os
import re
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml

from exostride.control.settings import from_mapping, problems
from exostride.errors import ConfigError, InputError
from exostride.paths import config_dir
from exostride.recording.recover import recover
from exostride.recording.session_info import SessionInfo
from exostride.recording.writer import BagWriter, WriterOptions
from exostride.runtime.assembly.stack import body_of
from exostride.safety.limits import load_limits
from exostride.types import ExoState, TherapySettings

_RATE_HZ: Final = 200
_LOST_S: Final = 1.0
_OPTIONS: Final = WriterOptions(start_free_bytes=0, stop_free_bytes=0)


def _write(path: Path, seconds: float) -> None:
    """Write a bag of states and close it."""
    with BagWriter(path, SessionInfo(), _OPTIONS) as writer:
        for k in range(round(seconds * _RATE_HZ)):
            due = k / _RATE_HZ
            writer.write_value(ExoState(seq=k, time_s=due, stamp_s=due), round(due * 1e9))


def _record(path: Path, written: mmap.mmap) -> None:
    """Write a bag of states in real time without end, counting into ``written``."""
    writer = BagWriter(path, SessionInfo(), _OPTIONS)
    start = time.monotonic()
    for k in itertools.count():
        due = k / _RATE_HZ
        while time.monotonic() - start < due:
            time.sleep(0.001)
        writer.write_value(ExoState(seq=k, time_s=due, stamp_s=due), round(due * 1e9))
        written[:8] = (k + 1).to_bytes(8, "little")


def power_lost(seed: int) -> str:
    """F29: kill a recording process; say what of its data is lost if that is more than a second."""
    share = mmap.mmap(-1, 8)

    def count() -> int:
        return int.from_bytes(share[:8], "little")

    with tempfile.TemporaryDirectory() as folder:
        bag = Path(folder) / "bag"
        least = round((1.5 + float(np.random.default_rng(seed).random())) * _RATE_HZ)
        child = os.fork()
        if child == 0:
            try:
                _record(bag, share)
            finally:
                os._exit(1)
        begun = time.monotonic()
        while count() < least and time.monotonic() - begun < 30.0:
            time.sleep(0.01)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        try:
            kept = sum(recover(bag, Path(folder) / "mended").messages.values())
        except InputError as error:
            return str(error)
        lost = (count() - kept) / _RATE_HZ
        return "" if lost <= _LOST_S else f"{lost:.2f} s lost"


def damaged_bag(seed: int) -> str:
    """F30: flip bytes of a finished bag; say what is wrong with what comes back, empty if nothing."""
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as folder:
        bag = Path(folder) / "bag"
        _write(bag, 20.0)
        file = next(iter(bag.glob("*.mcap")))
        data = bytearray(file.read_bytes())
        for place in rng.integers(len(data) // 4, len(data) // 2, size=3):
            data[int(place)] ^= 0xFF
        file.write_bytes(bytes(data))
        report = recover(bag, Path(folder) / "mended")
        kept = sum(report.messages.values())
        if report.whole:
            return "the damage was not seen"
        return "" if kept >= 0.25 * 20.0 * _RATE_HZ else f"only {kept} messages recovered"


def _refused(make: Callable[[], Any], *words: str) -> str:
    try:
        make()
    except ConfigError as error:
        missing = [word for word in words if word not in str(error)]
        return f"refused without naming {missing}: {error}" if missing else ""
    return "accepted"


def damaged_limits(seed: int) -> str:
    """F31: put one value of the limits out of range; it must be refused, naming file and key."""
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "limits.yaml"
        data = yaml.safe_load((config_dir() / "limits" / "default.yaml").read_text())
        groups = [data["belt"], data["timing"], data["detect"]["body"], data["joints"]["knee"]]
        group = groups[int(rng.integers(len(groups)))]
        key = sorted(group)[int(rng.integers(len(group)))]
        group[key] = ["text", None][int(rng.integers(2))]
        path.write_text(yaml.safe_dump(data))
        return _refused(lambda: load_limits(path), path.name, key)


def damaged_profile(seed: int) -> str:
    """F31: a patient's file with a key that nobody knows, and one cut off in the middle of a line."""
    text = (config_dir() / "patients" / "unimpaired.yaml").read_text()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "patient.yaml"
        path.write_text(text + f"\nkey_{seed}: 1\n")
        wrong = _refused(lambda: body_of(str(path)), path.name, f"key_{seed}")
        path.write_text(re.sub(r"\{.*", "{height_m: ", text))
        return wrong or _refused(lambda: body_of(str(path)), path.name)


def setting_out_of_range(seed: int) -> str:
    """F35: one wrong value in a whole set; all of it must be refused, the set before stays as it was."""
    rng = np.random.default_rng(seed)
    base = TherapySettings()
    name, value = [
        ("belt_speed_m_s", 9.0),
        ("unloading_percent", -5.0),
        ("belt_acceleration_m_s2", float("nan")),
        ("cadence_scale", 0.0),
        ("assistance", [0.3, 0.3, 7.0, 0.3, 0.3, 0.3]),
    ][int(rng.integers(5))]
    wrong = _refused(lambda: from_mapping({"goal_steps": 12, name: value}, "settings", base), name)
    return wrong or ("" if not problems(base) and base.goal_steps == 100 else "the set before was changed")


CHECKS: Final[dict[str, tuple[Callable[[int], str], ...]]] = {
    "F29": (power_lost,),
    "F30": (damaged_bag,),
    "F31": (damaged_limits, damaged_profile),
    "F35": (setting_out_of_range,),
}
"""What is tried for each fault without a walk."""


def run_files(seeds: int, done: set[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the key and the result of every case that is not done yet."""
    for fault, checks in CHECKS.items():
        for check in checks:
            for seed in range(seeds):
                key = f"{fault}:{check.__name__}#{seed}"
                if key in done:
                    continue
                why = check(seed)
                yield key, {"passed": not why, "why": why, "from_symptom_periods": 0, "bound_periods": 0}
