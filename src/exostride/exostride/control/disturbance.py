r"""Observers of a torque that no sensor measures, from momentum and the torques that are known.

For a leg with generalised momentum p = M(q) \dot q,

.. math:: \dot p = \tau_{known} + \tau_{unknown} + C^T(q, \dot q)\,\dot q - g(q)
               = u + \tau_{unknown}

* Momentum observer (De Luca & Mattone, ICRA 2003; Haddadin, De Luca & Albu-Schäffer, IEEE Trans Robot
  33:1292, 2017): r = K_o [p - \int (u + r)\,dt - p_0], a first-order filtered \tau_{unknown}.
* Kalman observer (Hu & Xiong, IEEE Trans Ind Electron 65:3365, 2018): the unknown torque is a random walk
  beside the momentum; gains are those of the stationary filter, so its covariance is known beforehand.

Neither needs an acceleration.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_discrete_are

from exostride.compiled import In1, In2, compiled
from exostride.types import Vector


class MomentumObserver:
    """First-order momentum observer over n joints; see module.

    Parameters
    ----------
    period_s
        Control period [s].
    joints
        n.
    bandwidth_hz
        K_o / 2 pi.
    """

    def __init__(self, period_s: float, joints: int, bandwidth_hz: float = 8.0) -> None:
        self._period = period_s
        rate = 2.0 * np.pi * bandwidth_hz
        self.delay_s: Vector = np.full(joints, 1.0 / rate)
        """By how much the estimate is late [s], (n,)."""
        # The exact solution over a tick instead of Euler's keeps it stable at any bandwidth.
        self._share = 1.0 - float(np.exp(-rate * period_s))
        self.reset()

    def reset(self) -> None:
        """Start again from the next momentum."""
        self._last: Vector | None = None
        self.torque_nm: Vector = np.zeros(0)

    def step(self, momentum: Vector, known: Vector) -> Vector:
        """Return the unknown torque [N m] from momentum [kg m²/s] and u [N m], each (n,)."""
        if self._last is None:
            self.torque_nm = np.zeros_like(momentum)
        else:
            seen = (momentum - self._last) / self._period - known
            self.torque_nm = self.torque_nm + self._share * (seen - self.torque_nm)
        self._last = momentum
        return self.torque_nm


class KalmanObserver:
    """Stationary Kalman filter of momentum and unknown torque over n joints; see module.

    Parameters
    ----------
    period_s
        Control period [s].
    drift_nm
        Density of the unknown torque's random walk [N m/sqrt(s)], (n,).
    noise
        Standard deviation of the momentum seen in one tick [kg m²/s], (n,).
    """

    def __init__(self, period_s: float, drift_nm: Vector, noise: Vector) -> None:
        self._period = period_s
        pairs = zip(drift_nm, noise, strict=True)
        gains = [_stationary(period_s, float(q), float(r)) for q, r in pairs]
        self._gain: NDArray[np.float64] = np.array(gains).T
        # The continuous filter is of second order with damping 0.7 and this natural frequency.
        natural = np.sqrt(np.asarray(drift_nm) / (np.asarray(noise) * np.sqrt(period_s)))
        self.delay_s: Vector = 1.0 / natural + 0.5 * period_s
        """By how much the estimate is late [s], (n,)."""
        self.reset()

    def reset(self) -> None:
        """Start again from the next momentum."""
        self._momentum: Vector | None = None
        self.torque_nm: Vector = np.zeros(self._gain.shape[1])

    def step(self, momentum: Vector, known: Vector) -> Vector:
        """Return the unknown torque [N m] from momentum [kg m²/s] and u [N m], each (n,)."""
        if self._momentum is None:
            self._momentum = momentum
            return self.torque_nm
        self._momentum, self.torque_nm = _filtered(
            self._momentum, self.torque_nm, momentum, known, self._gain, self._period
        )
        return self.torque_nm


@compiled
def _filtered(
    expected: In1,
    torque: In1,
    seen: In1,
    known: In1,
    gain: In2,
    period: float,
) -> NDArray[np.float64]:
    """Return momentum and unknown torque after a tick, rows of (2, n)."""
    out = np.empty((2, seen.size))
    for i in range(seen.size):
        before = expected[i] + period * (known[i] + torque[i])
        surprise = seen[i] - before
        out[0, i] = before + gain[0, i] * surprise
        out[1, i] = torque[i] + gain[1, i] * surprise
    return out


def _stationary(period_s: float, drift: float, noise: float) -> Vector:
    """Return gains for momentum and torque of one joint, (2,)."""
    a = np.array([[1.0, period_s], [0.0, 1.0]])
    h = np.array([[1.0, 0.0]])
    # Momentum's own process noise is only there to keep the equation well conditioned.
    q = np.diag([1e-12, drift * drift * period_s])
    r = np.array([[noise * noise]])
    before = solve_discrete_are(a.T, h.T, q, r)
    gain: Vector = (before @ h.T / (h @ before @ h.T + r)).ravel()
    return gain
