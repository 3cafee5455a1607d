r"""What the patient learns from step to step, forgets again, and regains from session to session.

Within a session the volitional feed-forward of each leg is corrected, phase bin by phase bin, by the
kinematic error of the stride before:

.. math:: F_{i+1}(\varphi) = f F_i(\varphi) + g\, \bar e_i(\varphi + \lambda)

with the error ``e`` of intended against walked angle. It is the discrete learner that Emken & Reinkensmeyer
(2005, IEEE TNSRE 13:33; 2007, J NeuroEng Rehabil 4:8) found in people who adapt their step to a robot's force
field, and that follows from minimising error and effort greedily (Emken, Benitez, Sideris, Bobrow &
Reinkensmeyer 2007, J Neurophysiol 97:3997): ``f < 1`` gives back what error does not ask for. The error is
taken a little later in the cycle, where a torque shows. Slacking of the whole effort is
:class:`exostride.patient.physiology.EffortLevel`.

Between sessions, :func:`consolidate` keeps a part of what was learned and lets strength return with use, in
the form of Casadio & Sanguineti (2012, IEEE TNSRE 20:286) and of use-dependent recovery (Reinkensmeyer,
Guigon & Maier 2012, Neural Netw 29-30:60): a part of the loss that can still return comes back in proportion
to the patient's own effort. Who has nothing that can return is a non-responder.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from exostride.compiled import In1, In2, In3, Out2, Out3, compiled
from exostride.patient.profile import Learning, PatientProfile, Side, Strength
from exostride.types import Vector

BINS: Final = 20
"""Bins of a cycle."""
_LEAD: Final = 1
"""A torque moves the leg about a twentieth of the cycle later."""
_SMOOTHING: Final = np.array([0.25, 0.5, 0.25])
"""What is learned at one phase serves its neighbours."""
FULL_SESSION_STRIDES: Final = 500
_LEAST_VISITED: Final = 0.9
"""Part of the bins that a stride must have visited to teach something."""


@compiled
def _correct(
    learned: In3,
    total: Out3,
    count: Out2,
    phase: In1,
    phase_rate: float,
    error: In2,
    out: Out3,
) -> None:
    """Add the errors to their bins and write learned torque and its rate at the phases, shape (2, 2, 3)."""
    for leg in range(2):
        x = (phase[leg] % 1.0) * BINS
        k = min(int(x), BINS - 1)
        count[leg, k] += 1.0
        low = int(np.floor(x - 0.5)) % BINS
        high = (low + 1) % BINS
        w = (x - 0.5) % 1.0
        for i in range(3):
            total[leg, k, i] += error[leg, i]
            step = learned[leg, high, i] - learned[leg, low, i]
            out[0, leg, i] = learned[leg, low, i] + w * step
            out[1, leg, i] = step * (BINS * phase_rate)


class StepLearning:
    """Learned correction of the feed-forward of hip, knee and ankle of both legs, in units of m g l."""

    def __init__(self, learning: Learning) -> None:
        self._l = learning
        self.active = learning.rate > 0.0
        self.reset()

    def reset(self) -> None:
        """Know nothing beyond the plan."""
        self.torque = np.zeros((2, BINS, 3))
        self._sum = np.zeros((2, BINS, 3))
        self._count = np.zeros((2, BINS))
        self._last = [0.0, 0.0]

    def step(
        self, phase: Vector, phase_rate: float, error: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the learned torque and its derivative by time at the legs' phases, shape (2, 3) each.

        Parameters
        ----------
        phase, phase_rate
            Phase of both legs [cycles] and its rate [cycles per sqrt(l/g)].
        error
            Intended minus walked angle of hip, knee and ankle [rad], shape (2, 3).
        """
        for leg in (0, 1):
            now = float(phase[leg]) % 1.0
            if now < self._last[leg] - 0.5:
                self._learn(leg)
            self._last[leg] = now
        out = np.empty((2, 2, 3))
        _correct(self.torque, self._sum, self._count, phase, phase_rate, error, out)
        return out[0], out[1]

    def _learn(self, leg: int) -> None:
        """Close a stride of one leg."""
        count, total = self._count[leg], self._sum[leg]
        visited = count > 0.0
        if visited.mean() >= _LEAST_VISITED:
            mean = total / np.maximum(count, 1.0)[:, None]
            later = np.roll(mean, -_LEAD, axis=0)
            smooth = sum(w * np.roll(later, n - 1, axis=0) for n, w in enumerate(_SMOOTHING))
            new = self._l.retention * self.torque[leg] + self._l.rate * np.asarray(smooth)
            self.torque[leg] = np.clip(new, -self._l.limit, self._l.limit)
        self._count[leg] = 0.0
        self._sum[leg] = 0.0


def dose(effort: float, strides: int) -> float:
    """Return the use of a session: strides at the patient's own effort; 1 for 500 at full effort.

    Half an hour at 0.3 m/s is about five hundred strides.
    """
    return max(effort, 0.0) * strides / FULL_SESSION_STRIDES


def consolidate(
    profile: PatientProfile, learned: NDArray[np.float64], use: float
) -> tuple[PatientProfile, NDArray[np.float64]]:
    """Return the patient of the next session, and what they still know of this one.

    Parameters
    ----------
    profile
        The patient at this session; ``learning.potential`` bounds what can return.
    learned
        Learned torque at its end, as :attr:`StepLearning.torque`.
    use
        See :func:`dose`; saturates, twice the usual session does not give twice as much.
    """
    learning = profile.learning
    part = min(learning.recovery * float((1.0 - np.exp(-use)) / (1.0 - np.exp(-1.0))), 1.0)
    back = part * learning.potential
    # What can still return has shrunk by `part`, the whole loss by `back`: their ratio is the new potential.
    rest = learning.potential * (1.0 - part) / (1.0 - back) if back < 1.0 else 0.0
    changes = {
        "left": _recover(profile.left, back),
        "right": _recover(profile.right, back),
        "learning": learning.model_copy(update={"potential": rest}),
    }
    return profile.model_copy(update=changes), learning.overnight * learned


def _recover(side: Side, back: float) -> Side:
    """Return a side whose loss of strength has shrunk by the part ``back``."""
    gained = {name: s + back * (1.0 - s) for name, s in side.strength.model_dump().items()}
    return side.model_copy(update={"strength": Strength(**gained)})
