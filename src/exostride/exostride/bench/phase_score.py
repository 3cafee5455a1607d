"""How far an estimated phase is from the truth, and how well events are found.

The truth rises linearly in time from one labelled heel strike of a leg to the next. The strikes of the first
ten strides (the first third, if there are fewer than fifteen) fix one constant offset a leg: the circular
median of the error there. From then on no label is used and the error counts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from exostride.bench.phase_data import Walker, states
from exostride.gait.cycles import ideal_phase
from exostride.interfaces import PhaseEstimator
from exostride.types import EventKind, GaitEvent, Vector

CALIBRATION_STRIDES = 10
FEW_STRIDES = 15
LOST_ERROR = 0.25
LOCK_ERROR = 0.1
EVENT_WINDOW_S = 0.05

EstimatorFactory = Callable[[float], PhaseEstimator]


@dataclass(frozen=True)
class Run:
    """What an estimator made of one recording, one row a sample; index 0 left, 1 right."""

    phase: NDArray[np.float64]
    rate_hz: NDArray[np.float64]
    confidence: NDArray[np.float64]
    events: list[GaitEvent]
    step_us: Vector


@dataclass(frozen=True)
class LegScore:
    """Errors of one leg: of every sample with a truth, and which of them count."""

    side: int
    offset: float
    error: Vector
    counted: NDArray[np.bool_]
    confidence: Vector
    lock_losses: int
    strides_to_lock: float


def run(estimator: PhaseEstimator, walker: Walker, signals: str) -> Run:
    """Run an estimator once through a recording, causally."""
    samples = states(walker, signals)
    n = len(samples)
    phase, rate, confidence = np.empty((n, 2)), np.empty((n, 2)), np.empty((n, 2))
    elapsed = np.empty(n)
    events: list[GaitEvent] = []
    clock = time.perf_counter
    for k, state in enumerate(samples):
        start = clock()
        result, found = estimator.step(state.time_s, state)
        elapsed[k] = clock() - start
        phase[k], rate[k], confidence[k] = result.phase, result.rate_hz, result.confidence
        events.extend(found)
    return Run(phase, rate, confidence, events, elapsed * 1e6)


def oracle(walker: Walker) -> Run:
    """Return the time-based baseline that is told every true heel strike as it happens.

    ``phase = (t − last strike) / last stride time``, held just below one until the next strike.
    """
    n = len(walker.time_s)
    phase, rate = np.zeros((n, 2)), np.zeros((n, 2))
    for side in walker.legs():
        strikes = walker.strikes[side]
        k = np.searchsorted(strikes, walker.time_s, side="right") - 1
        known = k >= 1
        j = np.clip(k, 1, None)
        length = strikes[j] - strikes[j - 1]
        value = np.minimum((walker.time_s - strikes[j]) / length, 0.999)
        phase[known, side], rate[known, side] = value[known], 1.0 / length[known]
    return Run(phase, rate, np.ones((n, 2)), [], np.zeros(n))


def wrap(error: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return phase differences wrapped to [-0.5, 0.5)."""
    return np.asarray((error + 0.5) % 1.0 - 0.5)


def circular_median(error: Vector) -> float:
    """Return the phase around which the error lies: the median about the circular mean."""
    mean = float(np.angle(np.mean(np.exp(2j * np.pi * error)))) / (2.0 * np.pi)
    return mean + float(np.median(wrap(error - mean)))


def score_leg(walker: Walker, result: Run, side: int) -> LegScore | None:
    """Return the errors of one leg, or ``None`` if no stride is left to count."""
    strikes = walker.strikes[side]
    count = len(strikes) - 1
    used = CALIBRATION_STRIDES if count >= FEW_STRIDES else max(count // 3, 1)
    if count <= used:
        return None
    t = walker.time_s
    truth = ideal_phase(t, strikes, np.inf)
    inside = np.isfinite(truth)
    counted = inside & (t >= strikes[used])
    error = np.where(inside, result.phase[:, side] - truth, 0.0)
    offset = circular_median(error[inside & (t < strikes[used])])
    error = np.asarray(wrap(error - offset))
    losses, to_lock = _locks(t, error, strikes, strikes[used])
    return LegScore(side, offset, error, counted, result.confidence[:, side], losses, to_lock)


def _locks(t: Vector, error: Vector, strikes: Vector, counted_from: float) -> tuple[int, float]:
    """Return losses (over 25 % for more than half a stride) and strides until a whole one is below 10 %."""
    stride = float(np.median(np.diff(strikes)))
    bad = (np.abs(error) > LOST_ERROR) & (t >= counted_from) & (t < strikes[-1])
    edges = np.flatnonzero(np.diff(np.concatenate(([False], bad, [False])).astype(int)))
    losses = sum(1 for a, b in zip(edges[::2], edges[1::2], strict=True) if t[b - 1] - t[a] > 0.5 * stride)
    for k in range(len(strikes) - 1):
        inside = (t >= strikes[k]) & (t < strikes[k + 1])
        if inside.any() and np.abs(error[inside]).max() < LOCK_ERROR:
            return losses, float(k)
    return losses, float("nan")


def event_score(found: Sequence[float], true: Vector, start: float, end: float) -> dict[str, float] | None:
    """Return F1, median and MAD of the timing error [ms] of events in [start, end], within 50 ms.

    Pairs are made one to one, nearest first. A found event is false only where labels exist: between the
    first and the last of them.
    """
    labels = true[(true >= start) & (true <= end)]
    if len(labels) == 0:
        return None
    first, last = labels[0] - EVENT_WINDOW_S, labels[-1] + EVENT_WINDOW_S
    times = np.array([x for x in found if first <= x <= last])
    pairs = sorted(
        (abs(a - b), i, j)
        for i, a in enumerate(times)
        for j, b in enumerate(labels)
        if abs(a - b) <= EVENT_WINDOW_S
    )
    used_found: set[int] = set()
    used_label: set[int] = set()
    errors = []
    for _, i, j in pairs:
        if i not in used_found and j not in used_label:
            used_found.add(i)
            used_label.add(j)
            errors.append(1e3 * (times[i] - labels[j]))
    f1 = 2.0 * len(errors) / (len(times) + len(labels))
    middle = float(np.median(errors)) if errors else float("nan")
    spread = float(np.median(np.abs(np.array(errors) - middle))) if errors else float("nan")
    return {
        "f1": f1,
        "median_ms": middle,
        "mad_ms": spread,
        "labels": float(len(labels)),
        "found": float(len(times)),
        "matched": float(len(errors)),
    }


def detections(result: Run, side: int, kind: EventKind) -> list[float]:
    """Return the times of one leg's detected events of a kind."""
    return [e.time_s for e in result.events if e.side == side and e.kind == kind]


def delays_ms(result: Run, kind: EventKind) -> list[float]:
    """Return by how much events were known after they happened [ms]."""
    return [1e3 * (e.detected_s - e.time_s) for e in result.events if e.kind == kind]
