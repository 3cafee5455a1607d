r"""Change from one law to another without a bump.

While the new law comes up, the old one goes on and its command is faded out:

.. math:: K = (1 - w) K_o + w K_n, \qquad r = [(1 - w) K_o r_o + w K_n r_n] / K

and likewise damping and torque, so that the torque of the mixture is the mixture of the torques whatever
the joint does in between.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from exostride.interfaces import AssistController
from exostride.types import AssistCommand, ExoState, GaitPhase, TherapySettings, Vector


class Switcher:
    """Steps the law in force, and for a while the one before it.

    Parameters
    ----------
    period_s
        Control period [s].
    fade_s
        Time over which the old law is faded out.
    """

    def __init__(self, period_s: float, fade_s: float = 1.5) -> None:
        self._step = period_s / fade_s
        self._law: AssistController | None = None
        self._settings: TherapySettings | None = None
        self._old: tuple[AssistController, TherapySettings] | None = None
        self._weight = 1.0

    def step(
        self, law: AssistController, t: float, state: ExoState, phase: GaitPhase, settings: TherapySettings
    ) -> AssistCommand:
        """Return the command of ``law``, mixed with that of the law before it while that fades out."""
        if law is not self._law:
            if self._law is not None and self._settings is not None:
                self._old, self._weight = (self._law, self._settings), 0.0
            law.reset()
            self._law = law
        self._settings = settings
        command = law.step(t, state, phase, settings)
        if self._old is None:
            return command
        before, old_settings = self._old
        self._weight = min(1.0, self._weight + self._step)
        if self._weight >= 1.0:
            self._old = None
            return command
        # Smooth at both ends, so that not even the rate of the torque jumps.
        w = self._weight * self._weight * (3.0 - 2.0 * self._weight)
        return mix(before.step(t, state, phase, old_settings), command, w)


def mix(old: AssistCommand, new: AssistCommand, weight: float) -> AssistCommand:
    """Return the command whose torque is (1 - weight) old + weight new for any posture and speed."""
    a, b = 1.0 - weight, weight
    stiffness, reference = _spring(
        a * old.stiffness_nm_rad, old.reference_rad, b * new.stiffness_nm_rad, new.reference_rad
    )
    damping, velocity = _spring(
        a * old.damping_nms_rad,
        old.reference_velocity_rad_s,
        b * new.damping_nms_rad,
        new.reference_velocity_rad_s,
    )
    return replace(
        new,
        torque_nm=a * old.torque_nm + b * new.torque_nm,
        stiffness_nm_rad=stiffness,
        damping_nms_rad=damping,
        reference_rad=reference,
        reference_velocity_rad_s=velocity,
        assistance=a * old.assistance + b * new.assistance,
    )


def _spring(k_old: Vector, at_old: Vector, k_new: Vector, at_new: Vector) -> tuple[Vector, Vector]:
    """Return stiffness and rest position of two springs side by side."""
    total = k_old + k_new
    rest = np.divide(k_old * at_old + k_new * at_new, total, out=at_new.copy(), where=total > 1e-9)
    return total, rest
