"""``exostride bench phase --stress``: disturb walkers in mid-stride, see how soon the phase is right again.

Walkers are recorded ones, time-warped, and made-up ones: the reference gait at a random speed with a random
person's deviation inside the published spread. After :data:`WARM_UP` strides one disturbance comes. A trial
is recovered when within :data:`ALLOWED` strides the error has come below 10 % of the cycle to stay for two
whole strides, and is not above 25 % for half a stride afterwards. The constant offset is that of the
warm-up. Signals: thigh angle and rate, one or both legs as recorded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from exostride.bench.phase_data import Walker, read_folder
from exostride.bench.phase_score import LOST_ERROR, EstimatorFactory, circular_median, wrap
from exostride.gait.cycles import ideal_phase
from exostride.gait.reference import FILE_NAME, load_reference
from exostride.paths import config_dir
from exostride.types import ExoState, Signal, Vector

WARM_UP = 6
ALLOWED = 5
AFTER = 9
RECOVERED_ERROR = 0.1
KINDS = ("speed_step", "stop_start", "turn_back", "dropout", "noise", "swapped_feet", "wrong_phase")
RATES_HZ = (60.0, 100.0, 200.0)
OFFSET_SHARE, SHAPE_SHARE = 0.75, 0.66
"""Parts of the spread between people that are a constant and a curve; their squares add up to one."""
NOISE_RAD, NOISE_RAD_S = float(np.radians(1.5)), 0.35


@dataclass(frozen=True)
class Source:
    """Both legs' thighs (NaN for a leg that was not recorded) and the strikes of each."""

    name: str
    time_s: Vector
    angle: NDArray[np.float64]
    strikes: tuple[Vector, Vector]


@dataclass(frozen=True)
class Trial:
    """One disturbed walk: signals (N, 2) as shown, true strikes, and when the disturbance begins and ends."""

    kind: str
    source: str
    time_s: Vector
    angle: NDArray[np.float64]
    rate: NDArray[np.float64]
    strikes: tuple[Vector, Vector]
    begin_s: float
    end_s: float


def recorded(walkers: list[Walker]) -> list[Source]:
    """Return the recordings long enough to be warped, one source each."""
    least = WARM_UP + AFTER + 4
    out = []
    for walker in walkers:
        if max(len(s) for s in walker.strikes) > least:
            angle = walker.segment_angle[:, [0, 3]]
            out.append(Source(walker.name, walker.time_s, angle, walker.strikes))
    return out


def made_up(rng: np.random.Generator) -> Source:
    """Return a made-up walker: reference gait, a person's deviation, stride-to-stride variation, asymmetry.

    The deviation is a random curve of four harmonics whose size is drawn within the published standard
    deviation between people; stride times vary by 1 to 3 % and drift; the second leg has its own curve
    and lag.
    """
    gait = load_reference(config_dir() / "norms" / FILE_NAME)
    speed, leg = float(rng.uniform(0.5, 1.7)), float(rng.uniform(0.65, 0.98))
    curve = gait.curve(speed, leg)
    grid = np.arange(200) / 200.0
    base, sd = curve.angles(grid)[:, 0], curve.sds(grid)[:, 0].mean()
    shapes = []
    common = _deviation(rng, grid)
    level = OFFSET_SHARE * sd * float(rng.normal())
    for _ in (0, 1):
        own = 0.7 * common + 0.3 * _deviation(rng, grid)
        shapes.append(float(rng.uniform(0.8, 1.2)) * base + SHAPE_SHARE * sd * own + level)
    n = WARM_UP + AFTER + 12
    stride = curve.stride_time_s * (1.0 + 0.02 * np.cumsum(rng.normal(0.0, 0.4, n)))
    stride = np.maximum(stride * (1.0 + rng.normal(0.0, rng.uniform(0.01, 0.03), n)), 0.5)
    first = np.concatenate(([0.0], np.cumsum(stride)))
    lag = float(rng.uniform(0.44, 0.56))
    second = first[:-1] + lag * stride
    t = np.arange(0.0, first[-1], 0.01)
    angle = np.empty((len(t), 2))
    for side, strikes in enumerate((first, second)):
        cycle = np.interp(t, strikes, np.arange(len(strikes)), left=np.nan, right=np.nan)
        cycle = np.where(np.isnan(cycle), np.interp(t, first, np.arange(len(first))) - lag, cycle)
        angle[:, side] = np.interp(cycle % 1.0, grid, shapes[side], period=1.0)
    return Source("made_up", t, angle, (first, second))


def _deviation(rng: np.random.Generator, grid: Vector) -> Vector:
    k = np.arange(1, 5)
    weight = rng.normal(0.0, 1.0, (2, 4)) / k
    wave = 2.0 * np.pi * np.outer(grid, k)
    curve = np.cos(wave) @ weight[0] + np.sin(wave) @ weight[1]
    return np.asarray(curve / np.sqrt(np.sum(1.0 / k**2)), dtype=np.float64)


def _warp(start: float, knots: Vector, speeds: Vector, rate_hz: float) -> tuple[Vector, Vector]:
    """Return new times and the source's times there; ``speeds`` at ``knots`` [s], linear between."""
    source_t = np.linspace(start, knots[-1], max(int((knots[-1] - start) * 1000), 10))
    pace = np.maximum(np.interp(source_t, knots, speeds), 0.02)
    new_t = np.concatenate(([0.0], np.cumsum(np.diff(source_t) / (0.5 * (pace[1:] + pace[:-1])))))
    t = np.arange(0.0, new_t[-1], 1.0 / rate_hz)
    return t, np.asarray(np.interp(t, new_t, source_t), dtype=np.float64)


def make_trial(kind: str, source: Source, rng: np.random.Generator) -> Trial:
    """Return one disturbed walk of a source."""
    lead = int(np.argmax([len(s) for s in source.strikes]))
    strikes = source.strikes[lead]
    spare = len(strikes) - WARM_UP - AFTER - 2
    k = int(rng.integers(1, spare)) if spare > 1 else 1
    stride = float(np.median(np.diff(strikes)))
    start = float(strikes[k] + rng.uniform(0.0, 1.0) * stride)
    at = float(strikes[k + WARM_UP] + rng.uniform(0.0, 1.0) * stride)
    end = float(strikes[min(k + WARM_UP + AFTER + 1, len(strikes) - 1)])
    pace = float(rng.uniform(0.85, 1.15))
    step = pace * (1.0 + float(rng.choice((-0.3, 0.3)))) if kind == "speed_step" else pace
    sample_rate = float(rng.choice(RATES_HZ))
    t, source_t = _warp(
        start, np.array([start, at, at + 0.2, end]), np.array([pace, pace, step, step]), sample_rate
    )
    pause = float(rng.uniform(1.5, 4.0)) if kind == "stop_start" else 0.0
    if pause:
        t, source_t = _stop(source_t, at, pause, 1.0 / sample_rate)
    if kind == "turn_back":
        t, source_t = _turn(source_t, at, float(rng.uniform(2.0, 4.0)) * stride, 1.0 / sample_rate)
    angle = np.stack([np.interp(source_t, source.time_s, a) for a in source.angle.T], axis=1)
    rate = np.asarray(np.gradient(angle, t, axis=0))
    if kind == "turn_back":
        left, right = (_strikes_again(s[(s > start) & (s < end)], source_t, t) for s in source.strikes)
        begin, done = float(t[np.argmax(np.diff(source_t) < 0.0)]), float(t[_return(source_t)])
    else:
        left, right = (np.interp(s[(s > start) & (s < end)], source_t, t) for s in source.strikes)
        begin = float(np.interp(at, source_t, t))
        done = begin + pause
    trial = Trial(kind, source.name, t, angle, rate, (left, right), begin, done)
    return _disturb(trial, stride / pace, rng)


def _disturb(trial: Trial, stride: float, rng: np.random.Generator) -> Trial:
    """Apply the disturbances that change what is shown, not how the walker walks."""
    t, begin = trial.time_s, trial.begin_s
    angle, rate = trial.angle.copy(), trial.rate.copy()
    if trial.kind == "dropout":
        gone = (t >= begin) & (t < begin + stride)
        angle[gone], rate[gone] = np.nan, np.nan
        return replace(trial, angle=angle, rate=rate, end_s=begin + stride)
    if trial.kind == "noise":
        angle += rng.normal(0.0, NOISE_RAD, angle.shape)
        rate += rng.normal(0.0, NOISE_RAD_S, rate.shape)
        return replace(trial, angle=angle, rate=rate)
    if trial.kind == "swapped_feet":
        angle, rate = _swap(angle, rate, t, begin, stride)
        return replace(trial, angle=angle, rate=rate, end_s=begin + 2.0 * stride)
    if trial.kind == "wrong_phase":
        return _skip(trial, float(rng.uniform(0.2, 0.8)) * stride)
    return trial


def _skip(trial: Trial, moved: float) -> Trial:
    """Cut a part out of a stride: the walker is suddenly elsewhere in the cycle."""
    t, begin = trial.time_s, trial.begin_s
    dt = float(t[1] - t[0])
    first = int(np.searchsorted(t, begin))
    skip = int(moved / dt)
    keep = np.r_[0:first, first + skip : len(t)]
    left, right = (
        np.concatenate((s[s < begin], s[s >= begin + skip * dt] - skip * dt)) for s in trial.strikes
    )
    return replace(
        trial, time_s=t[: len(keep)], angle=trial.angle[keep], rate=trial.rate[keep], strikes=(left, right)
    )


def _stop(source_t: Vector, at: float, pause: float, dt: float) -> tuple[Vector, Vector]:
    """Slow down to a stand over 0.4 s at source time ``at``, stand, start over 0.4 s."""
    k = int(np.searchsorted(source_t, at))
    ramp = max(int(0.4 / dt), 2)
    speed = (source_t[k + 1] - source_t[k]) if k + 1 < len(source_t) else 0.0
    down = source_t[k] + np.cumsum(speed * np.linspace(1.0, 0.0, ramp))
    hold = np.full(int(pause / dt), down[-1])
    up = down[-1] + np.cumsum(speed * np.linspace(0.0, 1.0, ramp))
    rest = np.arange(up[-1] + speed, source_t[-1], max(speed, 1e-6))
    warped = np.concatenate((source_t[:k], down, hold, up, rest))
    return np.asarray(np.arange(len(warped)) * dt), np.asarray(warped, dtype=np.float64)


def _turn(source_t: Vector, at: float, back: float, dt: float) -> tuple[Vector, Vector]:
    """Turn back at source time ``at``, walk ``back`` seconds of the source backward, turn and go on."""
    k = int(np.searchsorted(source_t, at))
    speed = source_t[k] - source_t[k - 1]
    ramp = max(int(0.4 / dt), 2)
    n = max(int(back / speed), 1)
    turn = np.linspace(1.0, -1.0, ramp)
    path = source_t[k] + speed * np.cumsum(np.concatenate((turn, np.full(n, -1.0), -turn)))
    rest = np.arange(path[-1] + speed, source_t[-1], speed)
    warped = np.concatenate((source_t[:k], path, rest))
    return np.asarray(np.arange(len(warped)) * dt), np.asarray(warped, dtype=np.float64)


def _return(source_t: Vector) -> int:
    """Return the sample at which a walker who turned back goes forward again."""
    return int(np.flatnonzero(np.diff(source_t) < 0.0)[-1]) + 1


def _strikes_again(strikes: Vector, source_t: Vector, t: Vector) -> Vector:
    """Return the strikes before a turn and those after the return, with the one that leads to the first.

    The stride that is under way at the return began, for its truth, where it would have begun at its pace.
    """
    first, last = int(np.argmax(np.diff(source_t) < 0.0)), _return(source_t)
    before = np.interp(strikes[strikes < source_t[first]], source_t[:first], t[:first])
    ahead = strikes[strikes > source_t[last]]
    after = np.interp(ahead, source_t[last:], t[last:])
    passed = strikes[strikes <= source_t[last]]
    if len(passed) and len(after):
        pace = (source_t[-1] - source_t[-2]) / (t[1] - t[0])
        after = np.concatenate(([after[0] - (ahead[0] - passed[-1]) / pace], after))
    return np.concatenate((before, after))


def _swap(
    angle: NDArray[np.float64], rate: NDArray[np.float64], t: Vector, begin: float, stride: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Exchange the legs' signals for two strides; with one leg recorded, show it half a cycle late."""
    swapped = (t >= begin) & (t < begin + 2.0 * stride)
    out_angle, out_rate = angle.copy(), rate.copy()
    if np.isfinite(angle).all():
        out_angle[swapped], out_rate[swapped] = angle[swapped][:, ::-1], rate[swapped][:, ::-1]
        return out_angle, out_rate
    late = np.clip(np.searchsorted(t, t - 0.5 * stride), 0, len(t) - 1)
    out_angle[swapped], out_rate[swapped] = angle[late][swapped], rate[late][swapped]
    return out_angle, out_rate


def run_trial(make: EstimatorFactory, trial: Trial) -> tuple[bool, float]:
    """Return whether the phase came right again, and in how many strides after the disturbance."""
    estimator = make(float(np.median(np.diff(trial.time_s))))
    n = len(trial.time_s)
    phase = np.empty((n, 2))
    valid = np.isfinite(trial.angle)
    for k in range(n):
        t = float(trial.time_s[k])
        segment, rate = np.zeros(6), np.zeros(6)
        segment[[0, 3]], rate[[0, 3]] = trial.angle[k], trial.rate[k]
        bits = int(valid[k, 0]) | int(valid[k, 1]) << 3
        state = ExoState(
            k,
            t,
            t,
            int(Signal.SEGMENT),
            segment_valid=bits,
            segment_angle_rad=segment,
            segment_rate_rad_s=rate,
        )
        phase[k] = estimator.step(t, state)[0].phase
    done = trial.end_s
    worst = 0.0
    for side in (0, 1):
        if len(trial.strikes[side]) > WARM_UP and valid[:, side].any():
            worst = max(worst, _strides_to_recover(trial, phase[:, side], trial.strikes[side], done))
    return worst <= ALLOWED, worst


def _strides_to_recover(trial: Trial, phase: Vector, strikes: Vector, done: float) -> float:
    t = trial.time_s
    truth = ideal_phase(t, strikes, np.inf)
    known = np.isfinite(truth)
    # The strides in which the disturbance happens have no linear truth.
    k = int(np.searchsorted(strikes, done))
    if k >= len(strikes) - 1:
        return float(ALLOWED + 1)
    warm = known & (t < trial.begin_s - 0.5) & (t > strikes[min(3, len(strikes) - 1)])
    if trial.kind == "wrong_phase" or not warm.any():
        warm = known & (t < trial.begin_s)
    if not warm.any():
        return float(ALLOWED + 1)
    error = np.where(known, wrap(np.where(known, phase - truth, 0.0)), 0.0)
    offset = circular_median(error[warm])
    late = known & (t >= done)
    if trial.kind not in ("dropout", "noise"):
        late &= t >= strikes[k]
    stride = float(np.median(np.diff(strikes[k:]))) if len(strikes) - k > 1 else 1.0
    return _relock(t[late], np.abs(wrap(error - offset))[late], done, stride)


def _relock(t: Vector, error: Vector, done: float, stride: float) -> float:
    """Return strides from ``done`` until the error stays low for two strides; too many if lost again."""
    if len(t) == 0:
        return float(ALLOWED + 1)
    since = float(t[0])
    for now, size in zip(t.tolist(), error.tolist(), strict=True):
        if size > RECOVERED_ERROR:
            since = now
        elif now - since >= 2.0 * stride:
            break
    else:
        return float(ALLOWED + 1)
    if np.mean(error[t > since] > LOST_ERROR) * (t[-1] - since) > 0.5 * stride:
        return float(ALLOWED + 1)
    return max(since - done, 0.0) / stride if since > t[0] else 0.0


def stress_test(folder: Path, name: str, trials: int, seed: int, console: Console) -> dict[str, Any]:
    """Run the Monte Carlo and return the share recovered and strides to re-lock, by disturbance."""
    from exostride.bench.phase import factory

    make: Callable[[float], Any] = factory(name)
    sources = recorded(read_folder(folder))
    rng = np.random.default_rng(seed)
    outcome: dict[str, list[tuple[bool, float]]] = {kind: [] for kind in KINDS}
    numbers = track(range(trials), "trials", console=console, disable=not console.is_terminal)
    for number in numbers:
        kind = KINDS[number % len(KINDS)]
        half = (number // len(KINDS)) % 2
        source = made_up(rng) if half or not sources else sources[int(rng.integers(len(sources)))]
        outcome[kind].append(run_trial(make, make_trial(kind, source, rng)))
    every = [pair for pairs in outcome.values() for pair in pairs]
    return {
        "estimator": name,
        "trials": trials,
        "seed": seed,
        "all": _summary(every),
        "by_disturbance": {kind: _summary(pairs) for kind, pairs in outcome.items() if pairs},
    }


def _summary(pairs: list[tuple[bool, float]]) -> dict[str, float]:
    strides = np.array([p[1] for p in pairs])
    return {
        "trials": float(len(pairs)),
        "recovered_pct": 100.0 * float(np.mean([p[0] for p in pairs])),
        "strides_median": float(np.median(strides)),
        "strides_p95": float(np.percentile(strides, 95)),
    }


def print_stress(result: dict[str, Any], console: Console) -> None:
    """Print the table of disturbances."""
    table = Table(title=f"{result['trials']} disturbed walks, estimator {result['estimator']}")
    for heading in ("disturbance", "trials", "recovered [%]", "strides to re-lock, median", "95 %"):
        table.add_column(heading, justify="left" if heading == "disturbance" else "right")
    for kind, row in (*result["by_disturbance"].items(), ("all", result["all"])):
        table.add_row(
            kind.replace("_", " "),
            f"{row['trials']:.0f}",
            f"{row['recovered_pct']:.1f}",
            f"{row['strides_median']:.2f}",
            f"{row['strides_p95']:.2f}",
        )
    console.print(table)
