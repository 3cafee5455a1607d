"""A person who is being assessed: hangs in the harness, lets go, and pushes when the robot holds a leg still.

What such a person was told beforehand: "Let your legs hang. When the robot has lifted a leg and holds it
still, push as hard as you can: bend the hip, stretch it, then the knee, then the ankle." Without much weight
in the harness they stand as always.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from exostride.conventions import GRAVITY_M_S2
from exostride.patient.interface import JointDrive, PatientAction, PatientSense, seized
from exostride.patient.muscles import Muscles
from exostride.patient.profile import PatientProfile
from exostride.patient.reflexes import ClonusBursts, FlexorSpasms, StretchReflexes
from exostride.patient.virtual import VirtualPatient

LET_GO: Final = 0.6
"""Part of body weight in the harness at which a person lets go."""
_LET_GO_S: Final = 1.0
_LIFTED_RAD, _LOWERED_RAD = 0.45, 0.25
"""Hip flexion from which a leg counts as lifted, and below which it no longer does."""
_STILL_RAD_S: Final = 0.05
_STILL_S: Final = 2.5
"""A lifted leg held still for so long is the sign to push; no other assessment pauses as long."""
PUSH_S: Final = 3.2
PAUSE_S: Final = 1.4
_RISE_S: Final = 1.2
"""A push comes on slowly, as in every test of force: a jerk is a spasm to who watches from outside."""
_GIVES_RAD: Final = (0.12, 0.22)
_BACK_S: Final = 0.15
"""From the first way on that the held leg gives, a person pushes less hard, from the second not at all."""
PUSHES: Final = tuple((joint, sign) for joint in (1, 2, 3) for sign in (1.0, -1.0))
"""Joint of the leg (hip, knee, ankle) and direction (flexion positive) of each push in turn."""
_WHOLE_EFFORT: Final = 10.0
"""Drive [N m/kg] beyond what any muscle can give."""


class AssessedPatient:
    """See module; wraps the person who walks, whose tissue and heart are the same.

    Parameters
    ----------
    person
        The virtual patient.
    profile, period_s, seed
        As the person was made with.
    """

    def __init__(self, person: VirtualPatient, profile: PatientProfile, period_s: float, seed: int) -> None:
        self.person = person
        self._period_s = period_s
        self._weight_n = profile.body.mass_kg * GRAVITY_M_S2
        self._drive_nm = _WHOLE_EFFORT * profile.body.mass_kg
        self._muscles = Muscles(profile, period_s)
        self._stretch = StretchReflexes(profile, period_s)
        self._clonus = [ClonusBursts(side.clonus, period_s) for side in (profile.left, profile.right)]
        self._spasms = FlexorSpasms(profile, period_s, seed)
        self.reset()

    def reset(self) -> None:
        """Return to standing, rested."""
        self.person.reset()
        self._muscles.reset()
        self._stretch.reset()
        self._spasms.reset()
        for clonus in self._clonus:
            clonus.reset()
        self._awake = 1.0
        self._still = [0.0, 0.0]
        self._held: list[NDArray[np.float64]] = [np.zeros(4), np.zeros(4)]
        self._effort_now = [0.0, 0.0]
        self._push: list[float | None] = [None, None]

    def seed(self, seed: int) -> None:
        """Draw motor noise from another seed after the next :meth:`reset`."""
        self.person.seed(seed)

    def wear(self, robot: bool) -> None:
        """Know at once whether the robot is on."""
        self.person.wear(robot)

    def step(self, t: float, sense: PatientSense) -> PatientAction:
        """Return what the joints do until the next tick."""
        whole = self.person.step(t, sense)
        goal = 0.0 if sense.unloading_n > LET_GO * self._weight_n else 1.0
        change = self._period_s / _LET_GO_S
        self._awake += min(max(goal - self._awake, -change), change)
        angle, velocity = sense.angle_rad.reshape(2, 4), sense.velocity_rad_s.reshape(2, 4)
        load = np.maximum(sense.ground_force_n[2::3], 0.0) / self._weight_n
        torque = self._pushes(angle, velocity, load)
        torque[:, 1:] += self._stretch.step(angle[:, 1:], velocity[:, 1:])
        torque[:, 3] += [c.step(float(velocity[i, 3]), float(load[i])) for i, c in enumerate(self._clonus)]
        w, a = self._awake, whole.active
        active = JointDrive(
            w * a.torque_nm + (1.0 - w) * torque.ravel(),
            w * a.stiffness_nm_rad,
            w * a.damping_nms_rad,
            a.reference_rad,
            a.reference_velocity_rad_s,
        )
        action = PatientAction(
            active=active,
            passive=whole.passive,
            phase=whole.phase,
            heart_rate_bpm=whole.heart_rate_bpm,
            emg=whole.emg,
        )
        spasm = self._spasms.step().ravel()
        return seized(action, spasm) if spasm.any() else action

    def _pushes(
        self, angle: NDArray[np.float64], velocity: NDArray[np.float64], load: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the torque of voluntary pushes, shape (2, 4)."""
        effort = np.array([self._effort(i, angle[i], velocity[i], float(load[i])) for i in (0, 1)])
        # Driven beyond its limit a muscle gives all it has; the effort is a part of that.
        strongest, _ = self._muscles.contract(self._drive_nm * np.sign(effort), velocity)
        return np.asarray(np.abs(effort) * strongest)

    def _effort(
        self, leg: int, angle: NDArray[np.float64], velocity: NDArray[np.float64], load: float
    ) -> NDArray[np.float64]:
        """Return the effort of one leg's joints, from -1 (extension) to 1, shape (4,)."""
        effort = np.zeros(4)
        lifted = float(angle[1]) > (_LIFTED_RAD if self._push[leg] is None else _LOWERED_RAD) and load < 0.02
        if not lifted:
            self._still[leg], self._push[leg] = 0.0, None
            return effort
        since = self._push[leg]
        if since is None:
            held = float(np.abs(velocity[1:]).max()) < _STILL_RAD_S
            self._still[leg] = self._still[leg] + self._period_s if held else 0.0
            if self._still[leg] >= _STILL_S:
                self._push[leg], self._held[leg] = 0.0, angle.copy()
            return effort
        self._push[leg] = since + self._period_s
        number, within = divmod(since, PUSH_S + PAUSE_S)
        goal = 0.0
        if number < len(PUSHES):
            joint, sign = PUSHES[int(number)]
            gone = sign * float(angle[joint] - self._held[leg][joint])
            soft, hard = _GIVES_RAD
            goal = min(max((hard - gone) / (hard - soft), 0.0), 1.0) if within < PUSH_S else 0.0
            rise = self._period_s / _RISE_S
            fall = self._period_s / (_BACK_S if gone >= soft else _RISE_S)
            self._effort_now[leg] += min(max(goal - self._effort_now[leg], -fall), rise)
            effort[joint] = sign * self._effort_now[leg]
        return effort
