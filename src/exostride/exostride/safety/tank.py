r"""Energy tank: what the drives inject never exceeds what they had, absorbed and were given.

.. math:: E_{k+1} = \min(E_{max}, E_k + P_b T - \sum_j \tau_j \dot q_j T), \qquad E \ge 0

after Franken et al., "Bilateral telemanipulation with time delays: a two-layer approach", IEEE
T-RO 27:741 (2011), and Schindlbeck & Haddadin, ICRA 2015. Absorbed work flows back in; the budget
:math:`P_b` is the net work of the reference gait and flows only while training. The power on offer
to each joint is a share of the level over a discharge time, so that the tank runs dry smoothly.
"""

from __future__ import annotations

from exostride.safety.limits import TankLimits

_CONCURRENT = 3.0
"""Joints that may draw at full rate at once (swing hip and both ankles); six at once still can't empty
the tank within a tick, since the discharge time is many ticks."""


class EnergyTank:
    """See module. ``injected_j``, ``absorbed_j`` and ``budget_j`` are running totals for the invariant."""

    __slots__ = (
        "_capacity",
        "_rate",
        "absorbed_j",
        "budget_j",
        "energy_j",
        "initial_j",
        "injected_j",
        "refill_w",
    )

    def __init__(self, limits: TankLimits) -> None:
        self._capacity = limits.capacity_j
        self._rate = 1.0 / (_CONCURRENT * limits.discharge_s)
        self.refill_w = limits.refill_w
        self.energy_j = self.initial_j = self._capacity
        self.injected_j = self.absorbed_j = self.budget_j = 0.0

    def offer_w(self) -> float:
        """Return the largest positive power of one joint in the coming tick [W]."""
        return self.energy_j * self._rate if self.energy_j > 0.0 else 0.0

    def account(self, injected_j: float, absorbed_j: float, budget_j: float) -> None:
        """Book one tick: work done on the patient, work taken from it, and the budget, each >= 0 [J].

        What would overflow the capacity is lost and not counted as absorbed or given.
        """
        self.injected_j += injected_j
        level = self.energy_j - injected_j
        absorbed = min(absorbed_j, self._capacity - level)
        self.absorbed_j += absorbed
        level += absorbed
        given = min(budget_j, self._capacity - level)
        self.budget_j += given
        self.energy_j = level + given
