r"""Assistance level that fades with success and returns with error, for each joint and part of the step.

After Emken, Harkema, Beres-Jones, Ferreira & Reinkensmeyer, "Feasibility of manual teach-and-replay and
continuous impedance shaping for robotic locomotor training following spinal cord injury", IEEE Trans
Biomed Eng 55:322 (2008), which carries the error-based law of Emken & Reinkensmeyer (J NeuroEng Rehabil
4:8, 2007) to an impedance, with a dead-zone:

.. math:: a_{i+1,b} = f\, a_{i,b} + g \sum_{c} w_{c-b} \max(e_{i,c} - e_{0,c}, 0)

where e_{i,b} is the RMS tracking error of stride i in bin b of the cycle, f < 1 the forgetting and the
weights w pass a part of the raise to the bin before, because help must begin before the error shows. The
dead-zone (:class:`DeadZone`) holds what able-bodied people differ by: another's normal step is no error.
The result stays within the therapist's bounds.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor
from typing import Final

import numpy as np
from numpy.typing import NDArray

from exostride.compiled import In1, In2, compiled
from exostride.control.path import ReferencePath
from exostride.conventions import N_JOINTS, SIDES, side_slice
from exostride.types import TherapySettings, Vector

_UNDER_WAY_S: Final = 1.0
"""Time in which a path goes over from standing to walking."""
_SPREAD_BINS: Final = 50
_GLIDE: Final = 0.01
"""Largest change of a level in a tick: a bin learns when it is left, while the next still draws on it."""
_LARGEST_RAISE: Final = 0.2
"""Largest raise in a stride: one that failed, the first from standing above all, tells little."""
_EARLIER: Final = 0.5
"""Part of a raise that the bin before gets too."""


@dataclass(frozen=True, slots=True)
class FadingParameters:
    """Forgetting per stride, gain [1/rad], dead-zone of the RMS error [rad], bins per cycle."""

    forgetting: float = 0.92
    gain_per_rad: float = 0.9
    dead_zone_rad: float = 0.07
    bins: int = 1


@compiled
def between_bins(table: In2, phase: In1) -> Vector:
    """Return a table (bins, 6) at the phases of both legs, linear between the bins' centres, (6,)."""
    bins, out = table.shape[0], np.empty(N_JOINTS)
    for side in range(2):
        place = phase[side] * bins - 0.5
        low = floor(place)
        weight = place - low
        for i in range(3 * side, 3 * side + 3):
            if bins == 1:
                out[i] = table[0, i]
            else:
                out[i] = (1.0 - weight) * table[low % bins, i] + weight * table[(low + 1) % bins, i]
    return out


@compiled
def _narrowed(table: In2, phase: In1, least: In1) -> Vector:
    """Return the half-widths of a table at the phases, as far as the least assistance leaves them."""
    out = between_bins(table, phase)
    for i in range(out.size):
        out[i] *= 1.0 - least[i]
    return out


@compiled
def _shown(table: In2, phase: In1, before: In1, low: In1, high: In1) -> NDArray[np.float64]:
    """Return the levels that are reached in this tick, and these within the bounds, rows of (2, 6).

    ``before`` are the levels of the tick before; none in the first.
    """
    level, out = between_bins(table, phase), np.empty((2, N_JOINTS))
    for i in range(N_JOINTS):
        out[0, i] = level[i]
        if before.size > 0:
            out[0, i] = before[i] + min(max(level[i] - before[i], -_GLIDE), _GLIDE)
        out[1, i] = min(max(out[0, i], low[i]), high[i])
    return out


def same_level(start: Vector | None, assistance: Vector) -> bool:
    """Return whether the therapist still asks for the level that a law started from.

    Every message brings new arrays, whatever it changes.
    """
    return start is assistance or (start is not None and np.array_equal(start, assistance))


class DeadZone:
    r"""What counts as normal: a fixed angle and some standard deviations of the reference.

    .. math:: e_0(\varphi) = (d + k\,s(\varphi))\,(1 - a_{min})

    with the spread s between able-bodied people. It narrows with the least assistance the therapist allows,
    so that full guidance leaves no freedom.

    Parameters
    ----------
    fixed_rad, deviations
        d, of all joints or of hip, knee and ankle, and k.
    """

    def __init__(self, fixed_rad: float | tuple[float, float, float], deviations: float) -> None:
        self._fixed, self._deviations = np.tile(np.broadcast_to(fixed_rad, 3), len(SIDES)), deviations
        self._table = np.tile(self._fixed, (_SPREAD_BINS, 1))
        self._version = -1

    def width(self, path: ReferencePath, leg_phase: Vector, settings: TherapySettings) -> Vector:
        """Return the half-width (6,) [rad] at the phases of both legs."""
        if path.version != self._version:
            self._version = path.version
            self._table = self._fixed + self._deviations * np.tile(path.spread(_SPREAD_BINS), 2)
        return _narrowed(self._table, leg_phase, settings.assistance_min)


@compiled
def excess(error_rad: In1, width_rad: In1) -> Vector:
    """Return the part of an error beyond a half-width, with its sign."""
    out = np.empty(error_rad.size)
    for i in range(out.size):
        out[i] = error_rad[i] - min(max(error_rad[i], -width_rad[i]), width_rad[i])
    return out


def shares(torque_nm: Vector, largest_nm: Vector) -> Vector:
    """Return sizes of torques as parts of the largest ones (6,); none where a joint may have none."""
    size: Vector = np.abs(torque_nm)
    return np.divide(size, largest_nm, out=np.zeros_like(size), where=largest_nm > 0.0)


class UnderWay:
    """How far somebody walks, 0..1, so that what has been learned of a step pushes nobody who stands.

    Parameters
    ----------
    period_s
        Control period [s].
    """

    def __init__(self, period_s: float) -> None:
        self._change = period_s / _UNDER_WAY_S
        self.reset()

    def reset(self) -> None:
        """Begin with somebody who stands."""
        self._share = 0.0

    def step(self, walking: bool) -> float:
        """Take one tick; return the share, which comes and goes as the path does."""
        change = self._change if walking else -self._change
        self._share = min(max(self._share + change, 0.0), 1.0)
        return self._share


class PhaseBins:
    """Tells which bin of the cycle each leg is in and when it leaves one; collects a mean per bin.

    Parameters
    ----------
    bins
        Bins per cycle.
    """

    def __init__(self, bins: int) -> None:
        self.bins = bins
        self.reset()

    def reset(self) -> None:
        """Forget where the legs are."""
        self.index = [-1, -1]
        self._phase = [0.0, 0.0]
        self._sum = np.zeros(N_JOINTS)
        self._count = [0, 0]

    def step(self, values: Vector, leg_phase: Vector) -> list[tuple[int, int, Vector]]:
        """Take one tick's values (6,); return (side, bin, mean of its joints) of each bin left behind."""
        done = []
        for side, phase in enumerate(leg_phase.tolist()):
            now = min(int(phase * self.bins), self.bins - 1)
            before = self.index[side]
            # One bin alone never changes: the end of the cycle shows as a fall of the phase.
            if before >= 0 and (now != before or (self.bins == 1 and phase < self._phase[side] - 0.5)):
                part = side_slice(side)
                if self._count[side]:
                    done.append((side, before, self._sum[part] / self._count[side]))
                self._sum[part] = 0.0
                self._count[side] = 0
            self.index[side] = now
            self._count[side] += 1
        self._phase = leg_phase.tolist()
        self._sum += values
        return done

    def pause(self) -> None:
        """Drop what has been collected of the bins the legs are in."""
        self._sum[:] = 0.0
        self._count = [0, 0]


class FadingAssistance:
    """Holds one assistance level per joint and bin; update by :meth:`step`, once a tick."""

    def __init__(self, parameters: FadingParameters) -> None:
        self._p = parameters
        self._bins = PhaseBins(parameters.bins)
        self.reset()

    def reset(self) -> None:
        """Forget levels and errors; the next tick starts at the therapist's level."""
        self.table = np.zeros((self._p.bins, N_JOINTS))
        self._start: Vector | None = None
        self._level: Vector = np.zeros(0)
        self._bins.reset()

    def step(self, error_rad: Vector, leg_phase: Vector, walking: bool, settings: TherapySettings) -> Vector:
        """Return the levels (6,) for this tick; a bin's level changes when its leg leaves it."""
        if not same_level(self._start, settings.assistance):
            self._start = settings.assistance
            self.table = np.tile(settings.assistance, (self._p.bins, 1))
        if not walking:
            self._bins.pause()
        else:
            for side, index, mean_square in self._bins.step(error_rad * error_rad, leg_phase):
                self._learn(side, index, np.sqrt(mean_square), settings)
        bounds = (settings.assistance_min, settings.assistance_max)
        reached, level = _shown(self.table, leg_phase, self._level, *bounds)
        self._level = reached
        bounded: Vector = level
        return bounded

    def _learn(self, side: int, index: int, error: Vector, settings: TherapySettings) -> None:
        part = side_slice(side)
        beyond = np.maximum(error - self._p.dead_zone_rad, 0.0)
        raised = np.minimum(self._p.gain_per_rad * beyond, _LARGEST_RAISE)
        self._put(index, part, self._p.forgetting * self.table[index, part] + raised, settings)
        if self._p.bins > 1:
            before = index - 1
            self._put(before, part, self.table[before, part] + _EARLIER * raised, settings)

    def _put(self, index: int, part: slice, level: Vector, settings: TherapySettings) -> None:
        low, high = settings.assistance_min[part], settings.assistance_max[part]
        self.table[index, part] = np.minimum(np.maximum(level, low), high)
