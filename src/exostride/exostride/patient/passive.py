r"""Elasticity of joint tissue: muscles at rest, ligaments and capsules.

Moments of hip, knee and ankle after Riener & Edrich (1999), "Identification of passive elastic joint moments
in the lower extremities", J Biomech 32:539-544: sums of exponentials that couple neighbouring joints through
two-joint muscles. In degrees, flexion positive, and *plantar*flexion positive at the ankle, as there:

.. math::
    M_A &= e^{2.1016 - 0.0843 A - 0.0176 K} - e^{-7.9763 + 0.1949 A + 0.0008 K} - 1.792 \\
    M_K &= e^{1.8 - 0.046 A - 0.0352 K + 0.0217 H} - e^{-3.971 - 0.0004 A + 0.0495 K - 0.0128 H}
           - 4.82 + e^{2.22 - 0.15 K} \\
    M_H &= e^{1.4655 - 0.0034 K - 0.075 H} - e^{1.3403 - 0.0226 K + 0.0305 H} + 8.072

The paper's ankle sign follows from its coupling: the gastrocnemius term of M_A falls with knee flexion and
rises with dorsiflexion. Their subjects were adults of about 72 kg; other bodies scale by m g l.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from exostride.compiled import In2, Out2, compiled

# One row per exponential: constant, and slopes by hip, knee, ankle (plantarflexion) in 1/deg.
_EXPONENTS: Final = np.array(
    [
        [1.4655, -0.0750, -0.0034, 0.0],
        [1.3403, 0.0305, -0.0226, 0.0],
        [1.800, 0.0217, -0.0352, -0.0460],
        [-3.971, -0.0128, 0.0495, -0.0004],
        [2.220, 0.0, -0.150, 0.0],
        [2.1016, 0.0, -0.0176, -0.0843],
        [-7.9763, 0.0, 0.0008, 0.1949],
    ]
)
_TERMS: Final = np.array(
    [
        [1.0, -1.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        [0.0, 0.0, 1.0, -1.0, 1.0, 0.0, 0.0],
        [0.0, 0.0, 0.0, 0.0, 0.0, 1.0, -1.0],
    ]
)
_OFFSET: Final = np.array([8.072, -4.82, -1.792])
_SIGN: Final = np.array([1.0, 1.0, -1.0])
"""From our signs (dorsiflexion positive) to the paper's and back."""
_SLOPES: Final = np.degrees(1.0) * _EXPONENTS[:, 1:] * _SIGN
_CONSTANT: Final = _EXPONENTS[:, 0].copy()
_OWN_WEIGHT: Final = np.ascontiguousarray(_TERMS.T * _SLOPES)
"""Derivative of each moment by its own angle: weights of the exponentials, paper's moment sign."""
_LARGEST_EXPONENT: Final = 6.0
"""e^6 = 400 N m: joint stops take over there; keeps the law finite for any posture."""

REFERENCE_SCALE_NM: Final = 72.0 * 9.81 * 0.92
"""m g l of the subjects."""


@compiled
def moments(angle: In2, moment: Out2, stiffness: Out2) -> None:
    """Write the moments and stiffnesses of :func:`passive_moment` of angles of shape (N, 3)."""
    e = np.empty(7)
    for n in range(angle.shape[0]):
        for k in range(7):
            exponent = _CONSTANT[k]
            for j in range(3):
                exponent += _SLOPES[k, j] * angle[n, j]
            e[k] = math.exp(min(exponent, _LARGEST_EXPONENT))
        for j in range(3):
            total, slope = _OFFSET[j], 0.0
            for k in range(7):
                total += e[k] * _TERMS[j, k]
                slope += e[k] * _OWN_WEIGHT[k, j]
            moment[n, j] = total * _SIGN[j]
            stiffness[n, j] = max(-slope * _SIGN[j], 0.0)


def passive_moment(angle_rad: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return passive moment [N m] and stiffness -dM/dq [N m/rad] of hip, knee, ankle.

    ``angle_rad`` has shape (..., 3), flexion and dorsiflexion positive, as the results; values are those of
    the paper's subjects.
    """
    angle = np.ascontiguousarray(angle_rad, dtype=np.float64)
    moment, stiffness = np.empty_like(angle), np.empty_like(angle)
    moments(angle.reshape(-1, 3), moment.reshape(-1, 3), stiffness.reshape(-1, 3))
    return moment, stiffness
