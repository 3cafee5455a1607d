"""The true state of the patient's body: what the patient feels, and what only a simulation knows."""

from __future__ import annotations

from typing import Annotated, Any, Final

import numpy as np
from numpy.typing import NDArray

from exostride.compiled import In1, In2, Int1, Out1, Record, compiled, record
from exostride.patient.interface import SAGITTAL, JointDrive, PatientAction, PatientSense
from exostride.plant.parts import FOOT_POINTS
from exostride.plant.tape import Tape
from exostride.plant.world import World
from exostride.types import SimTruth, Vector, zeros

N_POINTS = len(FOOT_POINTS)
LEAST_LOAD_N = 1.0
"""Below this vertical force a centre of pressure has no meaning and is given as the last one."""


def _sums() -> NDArray[np.float64]:
    """Return the matrix that sums point forces (30,) to two ground forces and four vertical loads (10,)."""
    sums = np.zeros((10, 6 * N_POINTS))
    for side in (0, 1):
        for point, name in enumerate(FOOT_POINTS):
            first = 3 * (N_POINTS * side + point)
            sums[3 * side : 3 * side + 3, first : first + 3] = np.eye(3)
            sums[6 + 2 * side + (not name.startswith("heel")), first + 2] = 1.0
    return sums


SUMS = _sums()
"""Sums point forces to ground forces of both feet and loads heel left, toe left, heel right, toe right."""


SIZES: Final = {
    "angle": 8,
    "velocity": 8,
    "torque": 8,
    "cuff_torque": 6,
    "cop": 4,
    "clearance": 2,
    "pelvis_position": 3,
    "pelvis_velocity": 3,
    "pelvis_orientation": 4,
    "pelvis_rate": 3,
    "com_position": 3,
    "com_velocity": 3,
    "sagittal_angle": 6,
    "sagittal_velocity": 6,
    "sagittal_torque": 6,
    "cuff_force": 18,
    "drive_torque": 6,
    "exo_angle": 6,
    "exo_velocity": 6,
}
"""Parts of one reading of the engine and how many values each has, in their order."""
_EDGES: Final = np.cumsum([0, *SIZES.values()]).tolist()
PARTS: Final = {name: slice(a, b) for name, a, b in zip(SIZES, _EDGES[:-1], _EDGES[1:], strict=True)}
_ALL: Final = _EDGES[-1]
_COP: Final = PARTS["cop"].start
_CLEARANCE: Final = PARTS["clearance"].start

BODY: Final = np.dtype(
    [
        *((name, "i8", (8,)) for name in ("q", "v")),
        ("points", "i8", (2 * N_POINTS,)),
        *((name, "f8", (n,)) for name, n in (("radius", 2 * N_POINTS), ("damping", 6))),
        *((name, "i8") for name in ("pelvis_q", "pelvis_v", "exo_q", "exo_v", "robot")),
        *((name, "i8") for name in ("contact", "muscle", "joint_force", "cuff", "drive", "com", "com_rate")),
    ],
    align=True,
)
"""Where the body's parts lie in the engine's coordinates and in the tape's columns."""

Body = Annotated[Record, BODY]


@compiled
def _under_soles(
    force: In1,
    places: In2,
    points: Int1,
    radius: In1,
    cop: Out1,
    clearance: Out1,
) -> None:
    """Write clearances and loaded feet's centres of pressure, given the contact points' forces."""
    for side in range(2):
        total, x, y, lowest = 0.0, 0.0, 0.0, np.inf
        for k in range(N_POINTS * side, N_POINTS * (side + 1)):
            place, normal = places[points[k]], force[3 * k + 2]
            total += normal
            x += normal * place[0]
            y += normal * place[1]
            lowest = min(lowest, place[2] - radius[k])
        clearance[side] = lowest
        if total > LEAST_LOAD_N:
            cop[2 * side] = x / total
            cop[2 * side + 1] = y / total


@compiled
def _read(body: Body, qpos: In1, qvel: In1, mean: In1, last: In1, points: In2, cop: In1) -> Vector:
    """Return the parts named above, one after the other; ``mean`` and ``last`` are rows of the tape.

    The orientation is x, y, z, w (the engine has w first). The cuffs' torque on a joint is what all actuators
    together do there, less the patient's own. Without a robot its parts are zero.
    """
    b, out = body[0], np.zeros(_ALL)
    for i in range(8):
        out[i], out[8 + i], out[16 + i] = qpos[b.q[i]], qvel[b.v[i]], mean[b.muscle + i]
    n = 24
    for i in range(6):
        k = SAGITTAL[i]
        if b.robot:
            out[n + i] = mean[b.joint_force + b.v[k]] - mean[b.muscle + k]
    centre, clearance = out[_COP : _COP + 4], out[_CLEARANCE : _CLEARANCE + 2]
    centre[:] = cop
    _under_soles(last[b.contact : b.contact + 6 * N_POINTS], points, b.points, b.radius, centre, clearance)
    n = _CLEARANCE + 2
    for i in range(3):
        out[n + i], out[n + 3 + i] = qpos[b.pelvis_q + i], qvel[b.pelvis_v + i]
        out[n + 6 + i], out[n + 10 + i] = qpos[b.pelvis_q + 4 + i], qvel[b.pelvis_v + 3 + i]
        out[n + 13 + i], out[n + 16 + i] = last[b.com + i], last[b.com_rate + i]
    out[n + 9] = qpos[b.pelvis_q + 3]
    n += 19
    for i in range(6):
        k = SAGITTAL[i]
        out[n + i], out[n + 6 + i] = qpos[b.q[k]], qvel[b.v[k]]
        out[n + 12 + i] = mean[b.muscle + k] - b.damping[i] * qvel[b.v[k]]
    n += 18
    if b.robot:
        for i in range(6):
            for axis in range(3):
                out[n + 3 * i + axis] = mean[b.cuff + 6 * i + axis]
            out[n + 18 + i], out[n + 24 + i] = mean[b.drive + i], qpos[b.exo_q + i]
            out[n + 30 + i] = qvel[b.exo_v + i]
    return out


@compiled
def _set_torque(
    torque: In1,
    stiffness: In1,
    damping: In1,
    reference: In1,
    speed: In1,
    body: Body,
    mean: In1,
    before: In1,
    last: In1,
    share: float,
    first_q: int,
    first_v: int,
) -> Vector:
    """Return the mean torque of a set on hip, knee and ankle of both legs over a tick (6,).

    The set acts in each step with the state in which it begins, while a row holds that in which it ends: the
    mean is moved back by one step, from the row ``last`` to that ``before`` the tick, ``share`` of each.
    """
    out, b = np.empty(6), body[0]
    for k in range(6):
        i = SAGITTAL[k]
        at_q, at_v = first_q + b.q[i], first_v + b.v[i]
        q = mean[at_q] + share * (before[at_q] - last[at_q])
        v = mean[at_v] + share * (before[at_v] - last[at_v])
        out[k] = torque[i] + stiffness[i] * (reference[i] - q) + damping[i] * (speed[i] - v)
    return out


class BodyState:
    """Reads the engine; forces are means over the newest rows of the tape."""

    def __init__(self, world: World, data: Any, tape: Tape) -> None:
        self._w, self._tape = world, tape
        # The engine's arrays stay where they are, and asking for one costs more than reading it.
        self._qpos, self._qvel, self._places = data.qpos, data.qvel, data.geom_xpos
        column = tape.column
        first = world.sensor_slices[f"contact_{FOOT_POINTS[0]}_left"].start
        self.points_column = column("sensor", slice(first, first + 3 * 2 * N_POINTS))
        self._first_q, self._first_v = tape.columns["q"].start, tape.columns["v"].start
        v = world.patient_v[SAGITTAL]
        self._body: Record = record(
            BODY,
            q=world.patient_q,
            v=world.patient_v,
            points=world.g_points,
            radius=world.point_radius,
            damping=np.asarray(world.model.dof_damping).reshape(world.model.nv, -1)[v, 0],
            pelvis_q=world.pelvis_q,
            pelvis_v=world.pelvis_v,
            exo_q=world.exo_q.start,
            exo_v=world.exo_v.start,
            robot=world.has_robot,
            contact=self.points_column.start,
            muscle=column("force", world.a_muscle).start,
            joint_force=tape.columns["joint_force"].start,
            cuff=column("force", world.a_cuff).start,
            drive=column("force", world.a_drive).start,
            com=column("sensor", world.sensor_slices["com_position"]).start,
            com_rate=column("sensor", world.sensor_slices["com_velocity"]).start,
        )
        self._cop = zeros(4)
        self._seen = zeros(_ALL)

    # ------------------------------------------------------------------ pieces

    def point_forces(self) -> NDArray[np.float64]:
        """Return the ground's force on each contact point [N, world], shape (2, 5, 3), mean over the tick."""
        force: NDArray[np.float64] = self._tape.mean[self.points_column].reshape(2, N_POINTS, 3)
        return force

    # ------------------------------------------------------------------ the patient's senses

    def sense(self, time_s: float, belt_speed_m_s: float) -> PatientSense:
        """Return the patient's senses.

        Forces are means over the tick; the centre of pressure [m, world xy] (4,) is that of the last step,
        held while a foot is not loaded; the clearance [m] (2,) is that of the lowest point of each sole.
        """
        mean, p = self._tape.mean, PARTS
        sums = SUMS @ mean[self.points_column]
        last, points = self._tape.rows[-1], self._places
        s = self._seen = _read(self._body, self._qpos, self._qvel, mean, last, points, self._cop)
        self._cop = s[p["cop"]]
        return PatientSense(
            time_s=time_s,
            angle_rad=s[p["angle"]],
            velocity_rad_s=s[p["velocity"]],
            torque_nm=s[p["torque"]],
            cuff_torque_nm=s[p["cuff_torque"]],
            ground_force_n=sums[:6],
            ground_cop_m=self._cop,
            foot_load_n=sums[6:],
            toe_clearance_m=s[p["clearance"]],
            pelvis_position_m=s[p["pelvis_position"]],
            pelvis_velocity_m_s=s[p["pelvis_velocity"]],
            pelvis_orientation=s[p["pelvis_orientation"]],
            pelvis_rate_rad_s=s[p["pelvis_rate"]],
            com_position_m=s[p["com_position"]],
            com_velocity_m_s=s[p["com_velocity"]],
            belt_speed_m_s=belt_speed_m_s,
            unloading_n=mean.item(-1),
        )

    # ------------------------------------------------------------------ truth

    def _torque_of(self, drive: JointDrive) -> Vector:
        """Return the mean torque of a set on hip, knee, ankle over the tick (linear in the state), (6,)."""
        d, tape = drive, self._tape
        gains = (d.torque_nm, d.stiffness_nm_rad, d.damping_nms_rad)
        goal = (d.reference_rad, d.reference_velocity_rad_s)
        states, share = (tape.mean, tape.late(tape.newest), tape.late(0)), 1.0 / tape.newest
        return _set_torque(*gains, *goal, self._body, *states, share, self._first_q, self._first_v)

    def truth(
        self, seq: int, time_s: float, action: PatientAction, sense: PatientSense, fault_bits: int
    ) -> SimTruth:
        """Return the truth at one control tick; ``sense`` is of the same instant, and newest."""
        s, p = self._seen, PARTS
        return SimTruth(
            seq=seq,
            time_s=time_s,
            patient_angle_rad=s[p["sagittal_angle"]],
            patient_velocity_rad_s=s[p["sagittal_velocity"]],
            patient_torque_nm=s[p["sagittal_torque"]],
            patient_active_torque_nm=self._torque_of(action.active),
            cuff_torque_nm=sense.cuff_torque_nm,
            cuff_force_n=s[p["cuff_force"]],
            drive_torque_nm=s[p["drive_torque"]],
            exo_angle_rad=s[p["exo_angle"]],
            exo_velocity_rad_s=s[p["exo_velocity"]],
            ground_force_n=sense.ground_force_n,
            ground_cop_m=sense.ground_cop_m,
            pelvis_position_m=sense.pelvis_position_m,
            pelvis_velocity_m_s=sense.pelvis_velocity_m_s,
            com_position_m=sense.com_position_m,
            com_velocity_m_s=sense.com_velocity_m_s,
            toe_clearance_m=sense.toe_clearance_m,
            phase=action.phase,
            spasm_torque_nm=action.spasm_torque_nm,
            fault_bits=fault_bits,
        )
