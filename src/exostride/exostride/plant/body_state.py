"""The true state of the patient's body: what the patient feels, and what only a simulation knows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from exostride.compiled import In1, In2, Int1, Out1, compiled
from exostride.patient.interface import SAGITTAL, JointDrive, PatientAction, PatientSense
from exostride.plant.parts import FOOT_POINTS
from exostride.plant.tape import Tape
from exostride.plant.world import World
from exostride.types import SimTruth, Vector, joints, zeros

N_POINTS = len(FOOT_POINTS)
_XYZW = np.array([4, 5, 6, 3])
"""Places of x, y, z, w after the position in a free joint's coordinates (MuJoCo has w first)."""
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
def _set_torque(
    torque: In1,
    stiffness: In1,
    damping: In1,
    reference: In1,
    speed: In1,
    q: In1,
    v: In1,
    places: Int1,
) -> Vector:
    """Return the torque of a set at some of its joints."""
    out = np.empty(places.size)
    for k in range(places.size):
        i = places[k]
        out[k] = torque[i] + stiffness[i] * (reference[i] - q[i]) + damping[i] * (speed[i] - v[i])
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
        self._com = column("sensor", world.sensor_slices["com_position"])
        self._com_velocity = column("sensor", world.sensor_slices["com_velocity"])
        start = tape.columns["joint_force"].start
        self._joint_force_sagittal = start + world.patient_v[SAGITTAL]
        self._muscle = column("force", world.a_muscle)
        self._muscle_sagittal = self._muscle.start + SAGITTAL
        self._cuff = column("force", world.a_cuff)
        self._drive = column("force", world.a_drive)
        self._q6, self._v6 = world.patient_q[SAGITTAL], world.patient_v[SAGITTAL]
        self._damping = np.asarray(world.model.dof_damping).reshape(world.model.nv, -1)[self._v6, 0]
        self._patient_q = tape.columns["q"].start + world.patient_q
        self._patient_v = tape.columns["v"].start + world.patient_v
        self._cop = zeros(4)

    # ------------------------------------------------------------------ pieces

    def point_forces(self) -> NDArray[np.float64]:
        """Return the ground's force on each contact point [N, world], shape (2, 5, 3), mean over the tick."""
        force: NDArray[np.float64] = self._tape.mean[self.points_column].reshape(2, N_POINTS, 3)
        return force

    def soles(self) -> tuple[Vector, Vector, Vector, Vector]:
        """Return ground forces, loads of heel and toe, centres of pressure and clearances of both feet.

        Ground force [N, world] (6,) and vertical loads heel left, toe left, heel right, toe right [N] (4,)
        are means over the tick; the centre of pressure [m, world xy] (4,) is that of the last step, held
        while a foot is not loaded; the clearance [m] (2,) is that of the lowest point of each sole.
        """
        sums = SUMS @ self._tape.mean[self.points_column]
        cop, clearance = self._cop.copy(), np.empty(2)
        force, w = self._tape.rows[-1, self.points_column], self._w
        _under_soles(force, self._places, w.g_points, w.point_radius, cop, clearance)
        self._cop = cop
        return sums[:6], sums[6:], cop, clearance

    def cuff_torque(self) -> Vector:
        """Return the torque of the robot on the patient's joints [N m], shape (6,), mean over the tick.

        It is the generalised force of all cuff wrenches on the patient's joint coordinates, ``J^T F``: what
        all actuators together do there, less the patient's own.
        """
        if not self._w.has_robot:
            return joints()
        mean = self._tape.mean
        torque: Vector = mean[self._joint_force_sagittal] - mean[self._muscle_sagittal]
        return torque

    # ------------------------------------------------------------------ the patient's senses

    def sense(self, time_s: float, belt_speed_m_s: float) -> PatientSense:
        """Return the patient's senses."""
        w, mean, last = self._w, self._tape.mean, self._tape.rows[-1]
        qpos, qvel = self._qpos, self._qvel
        ground, load, cop, clearance = self.soles()
        q, v = w.pelvis_q, w.pelvis_v
        return PatientSense(
            time_s=time_s,
            angle_rad=qpos[w.patient_q],
            velocity_rad_s=qvel[w.patient_v],
            torque_nm=mean[self._muscle].copy(),
            cuff_torque_nm=self.cuff_torque(),
            ground_force_n=ground,
            ground_cop_m=cop,
            foot_load_n=load,
            toe_clearance_m=clearance,
            pelvis_position_m=qpos[q : q + 3].copy(),
            pelvis_velocity_m_s=qvel[v : v + 3].copy(),
            pelvis_orientation=qpos[_XYZW + q],
            pelvis_rate_rad_s=qvel[v + 3 : v + 6].copy(),
            com_position_m=last[self._com].copy(),
            com_velocity_m_s=last[self._com_velocity].copy(),
            belt_speed_m_s=belt_speed_m_s,
            unloading_n=float(mean[-1]),
        )

    # ------------------------------------------------------------------ truth

    def _torque_of(self, drive: JointDrive) -> Vector:
        """Return the mean torque of a set on hip, knee, ankle over the tick (linear in the state), (6,)."""
        q, v = self._tape.mean[self._patient_q], self._tape.mean[self._patient_v]
        d = drive
        gains = (d.torque_nm, d.stiffness_nm_rad, d.damping_nms_rad)
        return _set_torque(*gains, d.reference_rad, d.reference_velocity_rad_s, q, v, SAGITTAL)

    def truth(
        self, seq: int, time_s: float, action: PatientAction, sense: PatientSense, fault_bits: int
    ) -> SimTruth:
        """Return the truth at one control tick; ``sense`` is of the same instant."""
        w, mean = self._w, self._tape.mean
        qpos, qvel = self._qpos, self._qvel
        robot = w.has_robot
        velocity = qvel[self._v6]
        return SimTruth(
            seq=seq,
            time_s=time_s,
            patient_angle_rad=qpos[self._q6],
            patient_velocity_rad_s=velocity,
            patient_torque_nm=mean[self._muscle_sagittal] - self._damping * velocity,
            patient_active_torque_nm=self._torque_of(action.active),
            cuff_torque_nm=sense.cuff_torque_nm,
            cuff_force_n=mean[self._cuff].reshape(6, 6)[:, :3].ravel() if robot else zeros(18),
            drive_torque_nm=mean[self._drive].copy() if robot else joints(),
            exo_angle_rad=qpos[w.exo_q].copy() if robot else joints(),
            exo_velocity_rad_s=qvel[w.exo_v].copy() if robot else joints(),
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
