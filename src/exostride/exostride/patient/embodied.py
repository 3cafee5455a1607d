"""One tick of nerves, muscles and tissue in one compiled call: from what a person means to joints and skin.

It only puts the parts together: intention (:mod:`exostride.patient.intention`), tissue
(:mod:`exostride.patient.passive`), muscles (:mod:`exostride.patient.muscles`), stretch reflexes
(:mod:`exostride.patient.reflexes`) and EMG (:mod:`exostride.patient.physiology`). A call of each costs more
than what it computes.
"""

from __future__ import annotations

from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray

from exostride.compiled import In1, In2, In3, In4, Int1, Int3, Out2, Out3, Out4, Record, compiled
from exostride.patient import intention
from exostride.patient.intention import drive_of, executed, intend, tremble
from exostride.patient.muscles import activate, contract
from exostride.patient.passive import moments
from exostride.patient.physiology import emg, trying
from exostride.patient.reflexes import stretched
from exostride.types import Vector

PERSON: Final = np.dtype(
    [
        ("tissue", "f8", (2, 3)),
        *((name, "f8") for name in ("healthy", "scale_nm", "time_s", "mass_kg")),
        *((name, "f8") for name in ("full_stance", "noise_keep", "noise_size")),
        ("reflexive", "i8"),
    ],
    align=True,
)
"""What stays: tissue by leg and joint and that of a sound person, m g l, sqrt(l / g), motor noise, and
whether reflexes add to the torque; ``full_stance`` is the load [body weights] of a leg in full stance."""

ERROR, TORQUE, STIFFNESS, DAMPING, ANGLE, RATE, PASSIVE, ELASTIC, WHOLE, CONTRACTED = range(10)
"""Rows of the answer, (10, 8): error against the intended angle, the active set's torque, stiffness, damping,
angle and rate, the tissue's moment and stiffness; what all muscles make, before noise and reflexes too."""

Person = Annotated[Record, PERSON]
Answer = tuple[NDArray[np.float64], Vector, Vector]


@compiled
def embody(
    person: Person,
    angle: In1,
    velocity: In1,
    load: In1,
    level: In1,
    model: In2,
    model_rate: In2,
    balance: In2,
    stiffness: In2,
    damping: In2,
    intended: In2,
    rate: In2,
    started: bool,
    activation: Out2,
    line: Out3,
    head: int,
    lag: Int1,
    blend: In2,
    strength: In3,
    preserved: In2,
    limit: In3,
    noise: Out2,
    normal: In2,
    stretch_line: Out4,
    stretch_head: int,
    stretch_lag: Int3,
    stretch: In4,
    clonus: In1,
) -> Answer:
    """Return the rows named above, the EMG (12,) and how far each leg swings (2,).

    ``angle`` and ``velocity`` are those of the driven joints (8,), ``load`` on the feet in body weights,
    ``level`` the effort of both legs; ``model`` to ``rate`` are a :class:`~exostride.patient.policy.Drive`,
    ``started`` to ``limit`` the muscles' state, ``noise`` and ``normal`` motor noise and what drives it, the
    rest the reflexes' state and the torque of clonus.
    """
    p = person[0]
    q, qd, swing = np.empty((2, 4)), np.empty((2, 4)), np.empty(2)
    bent, moment, stiffening = np.empty((4, 3)), np.empty((4, 3)), np.empty((4, 3))
    for leg in range(2):
        swing[leg] = 1.0 - min(load[leg] * (1.0 / p.full_stance), 1.0)
        for i in range(4):
            q[leg, i], qd[leg, i] = angle[4 * leg + i], velocity[4 * leg + i]
        for i in range(3):
            bent[leg, i], bent[2 + leg, i] = q[leg, 1 + i], intended[leg, 1 + i]
    effort = trying(level, swing)
    moments(bent, moment, stiffening)
    drive = (model, model_rate, balance, stiffness, damping, intended, rate)
    body = (p.tissue, p.healthy, p.scale_nm, p.time_s)
    meaning = intend(q, qd, *drive, effort, moment, stiffening, *body)
    state = (started, activation, line, head, lag, blend)
    meant = activate(*state, meaning[intention.MODEL], meaning[intention.MODEL_RATE], effort)
    made = contract(drive_of(meaning, meant), qd, strength, preserved, limit)
    whole, out = made[0].copy(), np.empty((10, 8))
    if p.noise_size > 0.0:
        tremble(noise, normal, p.noise_keep, p.noise_size, meant, whole)
    if p.reflexive:
        stretches = (stretch_line, stretch_head, stretch_lag, stretch)
        whole[:, 1:] += stretched(*stretches, q[:, 1:], qd[:, 1:])
        whole[:, 3] += clonus
    sets = executed(meaning, whole, made[1])
    for k in range(8):
        leg, i = k // 4, k % 4
        out[ERROR, k], out[RATE, k] = meaning[intention.ERROR, leg, i], meaning[intention.RATE, leg, i]
        out[TORQUE, k], out[STIFFNESS, k], out[DAMPING, k] = sets[0, k], sets[1, k], sets[2, k]
        out[ANGLE, k], out[PASSIVE, k] = intended[leg, i], meaning[intention.PASSIVE, leg, i]
        out[ELASTIC, k] = meaning[intention.ELASTIC, leg, i]
        out[WHOLE, k], out[CONTRACTED, k] = whole[leg, i], made[0, leg, i]
    return out, emg(whole, p.mass_kg), swing


__all__ = ["PERSON", "embody"]
