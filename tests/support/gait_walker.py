"""A made-up walker for tests: thigh and knee from the reference gait, states with chosen signals."""

import numpy as np

from exostride.gait.reference import FILE_NAME, load_reference
from exostride.paths import config_dir
from exostride.types import ExoState, Signal


class Walker:
    """Walks at a constant or changing stride rate; ``cycle(t)`` is the left leg's continuous phase."""

    def __init__(self, rate_hz=0.9, lag=0.5, speed=1.2, leg=0.9):
        self.rate_hz = rate_hz
        self.lag = lag
        curve = load_reference(config_dir() / "norms" / FILE_NAME).curve(speed, leg)
        self.grid = np.arange(400) / 400
        angles = curve.angles(self.grid)
        self.hip, self.knee = angles[:, 0], angles[:, 1]
        self.slope = np.gradient(self.hip, self.grid)

    def cycle(self, t):
        return self.rate_hz * t

    def phase(self, t, side):
        return (self.cycle(t) - self.lag * side) % 1.0

    def _at(self, table, phase):
        return float(np.interp(phase, self.grid, table, period=1.0))

    def state(self, k, t, signals=Signal.SEGMENT, sides=(0, 1)):
        segment, rate, joint = np.full(6, np.nan), np.full(6, np.nan), np.full(6, np.nan)
        load = np.zeros(4)
        segment_valid = joint_valid = foot_valid = 0
        for side in sides:
            phase = self.phase(t, side)
            if signals & Signal.SEGMENT:
                segment[3 * side] = self._at(self.hip, phase)
                pace = (self.cycle(t + 1e-3) - self.cycle(t - 1e-3)) / 2e-3
                rate[3 * side] = self._at(self.slope, phase) * pace
                segment_valid |= 1 << 3 * side
            if signals & Signal.JOINT_ANGLE:
                joint[3 * side] = self._at(self.hip, phase)
                joint[3 * side + 1] = self._at(self.knee, phase)
                joint_valid |= 3 << 3 * side
            if signals & Signal.FOOT_LOAD:
                heel = np.interp(phase, [0, 0.02, 0.25, 0.45, 1], [0, 400, 400, 0, 0])
                toe = np.interp(phase, [0, 0.15, 0.4, 0.6, 0.62, 1], [0, 0, 700, 200, 0, 0])
                load[2 * side : 2 * side + 2] = heel, toe
                foot_valid |= 1 << side
        return ExoState(
            k,
            t,
            t,
            int(signals),
            joint_valid=joint_valid,
            foot_valid=foot_valid,
            segment_valid=segment_valid,
            angle_rad=joint,
            velocity_rad_s=np.full(6, np.nan),
            foot_load_n=load,
            segment_angle_rad=segment,
            segment_rate_rad_s=rate,
        )

    def walk(self, estimator, seconds, period=0.01, start=0, **signals):
        """Return times, phases (N, 2), confidences (N, 2), states and events."""
        n = round(seconds / period)
        out = [
            estimator.step(k * period, self.state(k, k * period, **signals)) for k in range(start, start + n)
        ]
        gait = [g for g, _ in out]
        return (
            np.array([g.time_s for g in gait]),
            np.array([g.phase for g in gait]),
            np.array([g.confidence for g in gait]),
            [g.state for g in gait],
            [e for _, events in out for e in events],
        )
