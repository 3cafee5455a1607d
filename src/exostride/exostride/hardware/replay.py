"""The ``replay`` device: a recorded walker seen through the sensors of an exoskeleton without drives.

A recording has its own sample times, 60 Hz say, and the control loop another, 200 Hz. The body moved
continuously in between, and an encoder read at a control tick would have seen that motion; so a tick gets the
value of a smooth curve through the samples (piecewise cubic, without overshoot: Fritsch & Carlson 1980,
SIAM J Numer Anal 17:238), and the velocity is the slope of the same curve. Repeating the last sample
instead would delay every signal by up to a sample period and turn its slope into spikes, an artefact no
encoder has. The curve between two samples does depend on the next one and the one after it, 33 ms ahead at
60 Hz. Where even that must not be, ``resampling: hold`` gives the last sample and the slope from the one
before it: causal in the strict sense.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from pydantic import Field
from scipy.interpolate import PchipInterpolator

from exostride.config import StrictModel, validate
from exostride.conventions import JOINTS, SEGMENTS, SIDES
from exostride.errors import ConfigError, DeviceError
from exostride.exchange import MotionEvent, MotionRecording, load
from exostride.types import (
    DeviceReading,
    DriveApplied,
    EnvironmentState,
    ExoState,
    HarnessAction,
    KernelOutput,
    Signal,
    Vector,
    joints,
)

_LOADS: Final = tuple(f"load_{part}_{side}" for side in SIDES for part in ("heel", "toe"))
_CHAIN: Final = {"shank": ("thigh", "knee", -1.0), "foot": ("shank", "ankle", 1.0)}
"""Segment: the one above it, the joint between, and the sign of that joint's angle."""


class ReplayParameters(StrictModel):
    """Parameters of the device.

    ``file`` is a CSV, ``.mot``, ``.sto`` or C3D file; ``speed`` plays it slower or faster; ``start_s`` and
    ``end_s`` cut it, in the file's own time.
    """

    file: str
    speed: float = Field(1.0, ge=0.1, le=4.0)
    start_s: float | None = None
    end_s: float | None = None
    resampling: Literal["interpolate", "hold"] = "interpolate"


class _Resampler:
    """Values and slopes of a recording's columns at the control ticks."""

    def __init__(self, recording: MotionRecording, times: Vector, parameters: ReplayParameters) -> None:
        self._recording = recording
        self._times = times
        self._speed = parameters.speed
        self._hold = parameters.resampling == "hold"

    def column(self, name: str) -> Vector | None:
        """Return a column at the ticks, or ``None`` when the recording lacks it."""
        values = self._recording.columns.get(name)
        return None if values is None else self._values(values)

    def _before(self) -> Any:
        """Return the index of the last sample at or before each tick."""
        return np.clip(np.searchsorted(self._recording.time_s, self._times, side="right") - 1, 0, None)

    def _values(self, values: Vector) -> Vector:
        if self._hold:
            return np.asarray(values[self._before()], dtype=np.float64)
        return np.asarray(PchipInterpolator(self._recording.time_s, values)(self._times), dtype=np.float64)

    def slope(self, name: str, measured: str) -> Vector:
        """Return the rate of change of a column: as measured where the recording has it, else its slope."""
        rate = self.column(measured)
        if rate is not None:
            return rate * self._speed
        values = self._recording.columns[name]
        if self._hold:
            index = self._before()
            steps = np.diff(values, prepend=values[0]) / np.diff(
                self._recording.time_s, prepend=self._recording.time_s[0] - 1.0
            )
            return np.asarray(steps[index] * self._speed, dtype=np.float64)
        curve = PchipInterpolator(self._recording.time_s, values).derivative()
        return np.asarray(curve(self._times) * self._speed, dtype=np.float64)


class ReplayDevice:
    """Plays a recording; what the recording lacks is zero and marked as not measured.

    Torques are zero, for nothing drives. Belt and harness are not in a recording: the belt stands, unloading
    is zero, and the harness confirms what it is told.
    """

    def __init__(self) -> None:
        self._count = 0
        self._next = 0
        self._harness = int(HarnessAction.UNLOAD)
        self.events: tuple[MotionEvent, ...] = ()
        """Labelled events of the recording, in control time: what an estimator is compared with."""
        self.notes: tuple[str, ...] = ()
        """What was left out of the file or derived from it, in words."""

    def configure(self, parameters: Mapping[str, Any], period_s: float) -> None:
        """Load the recording and resample it to ticks of ``period_s``; see :class:`ReplayParameters`.

        Raises
        ------
        ConfigError
            A parameter is unknown or out of range, or the cut leaves nothing.
        InputError
            The file can't be read, or holds nothing that an exoskeleton measures.
        """
        p = validate(ReplayParameters, dict(parameters), "device replay")
        recording = load(Path(p.file))
        first, last = float(recording.time_s[0]), float(recording.time_s[-1])
        start = first if p.start_s is None else max(first, p.start_s)
        end = last if p.end_s is None else min(last, p.end_s)
        if end - start < 2 * period_s:
            raise ConfigError(
                f"device replay: nothing between start_s {start:g} and end_s {end:g}; "
                f"{p.file} runs from {first:g} to {last:g} s"
            )
        self._period = period_s
        # The last tick may fall on the last sample up to rounding of its time.
        self._count = int(np.floor((end - start) / (p.speed * period_s) + 1e-6)) + 1
        times = np.minimum(start + np.arange(self._count) * (period_s * p.speed), last)
        self._resample(p.file, _Resampler(recording, times, p), recording)
        self.events = tuple(
            MotionEvent((event.time_s - start) / p.speed, event.side, event.kind)
            for event in recording.events
            if start <= event.time_s <= end
        )
        self.notes = recording.notes + self.notes
        self._next = 0
        self._harness = int(HarnessAction.UNLOAD)

    def _resample(self, file: str, ticks: _Resampler, recording: MotionRecording) -> None:
        shape = (self._count, 6)
        self._angle, self._velocity, self._joint_valid = np.zeros(shape), np.zeros(shape), 0
        for i, name in enumerate(JOINTS):
            values = ticks.column(name)
            if values is not None:
                joint, side = name.split("_")
                self._angle[:, i] = values
                self._velocity[:, i] = ticks.slope(name, f"{joint}_velocity_{side}")
                self._joint_valid |= 1 << i
        self._segments(ticks)
        self._load, self._foot_valid = np.zeros((self._count, 4)), 0
        for i, name in enumerate(_LOADS):
            values = ticks.column(name)
            if values is not None:
                self._load[:, i] = values
                self._foot_valid |= 1 << (i // 2)
        self._available = (
            (Signal.JOINT_ANGLE if self._joint_valid else 0)
            | (Signal.SEGMENT if self._segment_valid else 0)
            | (Signal.FOOT_LOAD if self._foot_valid else 0)
        )
        if not self._available:
            have = ", ".join(recording.columns)
            raise ConfigError(
                f"device replay: {file} has no joint, segment or foot load column; it has {have}"
            )
        for table in (self._angle, self._velocity, self._segment, self._rate, self._load):
            table.setflags(write=False)

    def _segments(self, ticks: _Resampler) -> None:
        """Take segment angles from the recording, or from the segment above and the joint between."""
        self._segment, self._rate = np.zeros((self._count, 6)), np.zeros((self._count, 6))
        self._segment_valid = 0
        derived = []
        for i, name in enumerate(SEGMENTS):
            part, side = name.split("_")
            values = ticks.column(f"{part}_angle_{side}")
            if values is not None:
                self._segment[:, i] = values
                self._rate[:, i] = ticks.slope(f"{part}_angle_{side}", f"{part}_rate_{side}")
            else:
                above, joint, sign = _CHAIN.get(part, ("", "", 0.0))
                if not above or not self._segment_valid >> (i - 1) & 1:
                    continue
                j = JOINTS.index(f"{joint}_{side}")
                if not self._joint_valid >> j & 1:
                    continue
                self._segment[:, i] = self._segment[:, i - 1] + sign * self._angle[:, j]
                self._rate[:, i] = self._rate[:, i - 1] + sign * self._velocity[:, j]
                derived.append(name)
            self._segment_valid |= 1 << i
        self.notes = (f"derived from the joints: {', '.join(derived)}",) if derived else ()

    @property
    def duration_s(self) -> float:
        """Control time of the last tick [s]."""
        return (self._count - 1) * self._period if self._count else 0.0

    def read(self, seq: int) -> DeviceReading:
        """Return the recorded walker at tick ``seq``; behind the end nothing is marked as measured.

        Raises
        ------
        DeviceError
            The device has not been configured.
        """
        if not self._count:
            raise DeviceError("device replay: read before configure")
        self._next = max(self._next, seq + 1)
        time_s = seq * self._period
        over = seq >= self._count
        row = min(seq, self._count - 1)
        exo = ExoState(
            seq=seq,
            time_s=time_s,
            stamp_s=time_s,
            available=int(self._available),
            joint_valid=0 if over else self._joint_valid,
            foot_valid=0 if over else self._foot_valid,
            segment_valid=0 if over else self._segment_valid,
            angle_rad=self._angle[row],
            velocity_rad_s=self._velocity[row],
            foot_load_n=self._load[row],
            segment_angle_rad=self._segment[row],
            segment_rate_rad_s=self._rate[row],
        )
        environment = EnvironmentState(
            seq=seq, time_s=time_s, harness_action=self._harness, harness_confirmed=True
        )
        return DeviceReading(exo, environment)

    def write(self, output: KernelOutput) -> DriveApplied:
        """Take the kernel's output; a recording can't be driven, so that no torque is applied."""
        self._harness = output.environment.harness_action
        return DriveApplied(joints(), joints())

    def finished(self) -> bool:
        """Return whether the last tick of the recording has been read."""
        return self._count > 0 and self._next >= self._count

    def close(self) -> None:
        """Forget the recording."""
        self._count = 0
