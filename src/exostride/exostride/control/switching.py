r"""Change from one law to another without a bump.

While the new law comes up, the old one goes on and its command is faded out:

.. math:: K = (1 - w) K_o + w K_n, \qquad r = [(1 - w) K_o r_o + w K_n r_n] / K

and likewise damping and torque, so that the torque of the mixture is the mixture of the torques whatever
the joint does in between. Whoever changes again meanwhile leaves a mixture, which fades out as it is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from exostride.interfaces import AssistController
from exostride.types import AssistCommand, ExoState, GaitPhase, TherapySettings, Vector


@dataclass(slots=True)
class _Leaving:
    """A law that fades out, its share when a law was last chosen, and the settings it was left with."""

    law: AssistController
    share: float
    left_with: TherapySettings

    def settings(self, now: TherapySettings) -> TherapySettings:
        """Return the settings in force, with the level that this law was left with.

        The new level is for the new law. A bound that has been lowered binds both; one that has been raised
        would raise what fades out.
        """
        then = self.left_with
        most = np.minimum(then.assistance_max, now.assistance_max)
        least = np.minimum(then.assistance_min, most)
        return replace(now, assistance=then.assistance, assistance_min=least, assistance_max=most)


class Switcher:
    """Steps the law in force, and for a while those before it.

    Parameters
    ----------
    period_s
        Control period [s].
    fade_s
        Time over which the laws before are faded out.
    """

    def __init__(self, period_s: float, fade_s: float = 1.5) -> None:
        self._step = period_s / fade_s
        self._law: AssistController | None = None
        self._settings: TherapySettings | None = None
        self._leaving: list[_Leaving] = []
        self._begun = 0.0
        """Share of the law in force when it was chosen: some, if it still faded out."""
        self._weight = 1.0

    def step(
        self, law: AssistController, t: float, state: ExoState, phase: GaitPhase, settings: TherapySettings
    ) -> AssistCommand:
        """Return the command of ``law``, mixed with those of the laws before it while they fade out."""
        if law is not self._law:
            self._change(law)
        self._settings = settings
        command = law.step(t, state, phase, settings)
        if not self._leaving:
            return command
        self._weight = min(1.0, self._weight + self._step)
        if self._weight >= 1.0:
            self._leaving = []
            return command
        old, share = None, 0.0
        for part in self._leaving:
            before = part.law.step(t, state, phase, part.settings(settings))
            share += part.share
            old = before if old is None else mix(old, before, part.share / share)
        return command if old is None else mix(old, command, self._share())

    def _share(self) -> float:
        """Return the share of the law in force."""
        # Smooth at both ends, so that not even the rate of the torque jumps.
        smooth = self._weight * self._weight * (3.0 - 2.0 * self._weight)
        return self._begun + (1.0 - self._begun) * smooth

    def _change(self, law: AssistController) -> None:
        """Leave the law in force; it and those that still fade out go on from the shares they have."""
        share = self._share()
        kept = (1.0 - share) / (1.0 - self._begun)
        parts = [replace(part, share=kept * part.share) for part in self._leaving]
        if self._law is not None and self._settings is not None:
            parts.append(_Leaving(self._law, share, self._settings))
        again = [part for part in parts if part.law is law]
        self._leaving = [part for part in parts if part.law is not law and part.share > 0.0]
        self._begun = again[0].share if again and self._leaving else 0.0
        self._weight = 0.0 if self._leaving else 1.0
        if not again:
            law.reset()
        self._law = law


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
