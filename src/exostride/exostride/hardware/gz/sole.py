r"""MuJoCo's soft contact as the spring and damper of one step, so that ODE's contacts are the same soles.

Along the normal MuJoCo solves :math:`\dot v + R f = k r - b v` for a contact of depth :math:`r` that parts
with :math:`v`, with

.. math::
   R = w\,\frac{1-d}{d}, \quad b = \frac{2}{d_w t}, \quad k = \frac{d}{(d_w t \zeta)^2} ,

where :math:`d(r)` is the impedance (``solimp``), :math:`t, \zeta` are ``solref`` and :math:`w` the inverse
weight of both bodies (MuJoCo's documentation, "Solver parameters"). ODE solves :math:`v^+ + C f = E\,r / h`,
where Gazebo makes :math:`C = 1 / (h k_p + k_d)` and :math:`E = h k_p C` of a spring and a damper. Over a step
:math:`h` both are the same equation if

.. math:: C = h R, \quad E\,r / h = (1 - h b)\,v + h k r .

Under a steady load that is a spring :math:`k / R` with a damper :math:`b / R`, stiffer the deeper it is
pressed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
LEAST_M = 1e-5
"""A point that is less deep than this has just touched."""


def impedance(solimp: Numbers, depth_m: Numbers) -> Numbers:
    """Return MuJoCo's impedance d at given depths."""
    low, high, width, middle, power = (float(v) for v in solimp)
    x = np.minimum(np.maximum(np.asarray(depth_m) / width, 0.0), 1.0)
    rise = np.where(
        x <= middle,
        x**power / middle ** (power - 1.0),
        1.0 - (1.0 - x) ** power / (1.0 - middle) ** (power - 1.0),
    )
    out: Numbers = np.minimum(np.maximum(low + rise * (high - low), 1e-4), 1.0 - 1e-4)
    return out


class Sole:
    """Stiffness and damping of some contact points of a MuJoCo model on one of its geoms."""

    def __init__(self, model: Any, ground: int, points: Sequence[int], dt_s: float) -> None:
        self._dt = dt_s
        self._solimp = np.array(model.geom_solimp[ground])
        self._time, self._ratio = (float(v) for v in model.geom_solref[ground])
        weights = np.array(model.body_invweight0)[:, 0]
        bodies = np.array(model.geom_bodyid)
        self._weight = weights[bodies[list(points)]] + weights[bodies[ground]]

    def _law(self, depth_m: Numbers) -> tuple[Numbers, float, Numbers]:
        """Return k [1/s²], b [1/s] and R [1/kg] at given depths."""
        d, full = impedance(self._solimp, depth_m), float(self._solimp[1])
        stiff = d / (full * self._time * self._ratio) ** 2
        return stiff, 2.0 / (full * self._time), self._weight * (1.0 - d) / d

    def at(self, depth_m: Numbers) -> tuple[Numbers, Numbers]:
        """Return stiffness [N/m] and damping [N s/m] of each point under a steady load, at its depth."""
        k, b, r = self._law(depth_m)
        return k / r, b / r

    def springs(self, depth_m: Numbers, speed_m_s: Numbers) -> Numbers:
        """Return Gazebo's ``kp`` and ``kd`` for the coming step, shape (points, 2).

        ``speed_m_s`` is how fast a point gets deeper. Either number alone may be negative; their sum
        ``h kp + kd``, which is 1 / C, never is.
        """
        h = self._dt
        depth = np.maximum(depth_m, LEAST_M)
        k, b, r = self._law(depth)
        pushed = h * k * depth - (1.0 - h * b) * speed_m_s
        kp = pushed / (depth * h * r)
        out = np.empty((len(kp), 2))
        out[:, 0], out[:, 1] = kp, 1.0 / (h * r) - h * kp
        return out
