"""A virtual patient on the simulated treadmill without the graph: what benches and fits walk with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import mujoco
import numpy as np
from numpy.typing import NDArray

from exostride.conventions import N_JOINTS
from exostride.patient.gait_plan import ANGLE, ANGLE_RATE, PELVIS, PELVIS_RATE
from exostride.patient.interface import SAGITTAL
from exostride.patient.virtual import VirtualPatient, attitude
from exostride.plant.config import PlantConfig
from exostride.plant.plant import Plant, attitude_moment, guidance_wrench
from exostride.types import (
    DriveCommand,
    EnvironmentCommand,
    HarnessAction,
    KernelOutput,
    Mode,
    SupportKind,
    Vector,
    joints,
)

FIELDS: Final = {
    "time": 1,
    "angle": 8,
    "velocity": 8,
    "torque": 8,
    "ground_force": 6,
    "clearance": 2,
    "pelvis": 3,
    "pelvis_velocity": 3,
    "attitude": 3,
    "guidance": 3,
    "frame_moment": 2,
    "slip_speed": 2,
    "phase": 2,
    "belt": 1,
    "unloading": 1,
    "cuff_torque": 6,
}
"""Columns of a walk and their widths; units are SI, ``attitude`` is roll, pitch, yaw,
``frame_moment`` roll, pitch."""

FALL_HEIGHT: Final = 0.75
"""A pelvis below this part of its standing height has fallen."""
_TICK_STEPS: Final = 5
_LOADED_N: Final = 20.0


@dataclass(frozen=True)
class Walk:
    """Everything recorded of a walk, one row a tick, and whether the patient stayed on their feet."""

    rows: NDArray[np.float64]
    fell: bool

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        """Return a column, shape (N,) or (N, width)."""
        start = 0
        for field, width in FIELDS.items():
            if field == name:
                return self.rows[:, start] if width == 1 else self.rows[:, start : start + width]
            start += width
        raise KeyError(name)


def kernel_output(
    belt_m_s: float, acceleration_m_s2: float, unloading_percent: float, drive: DriveCommand | None = None
) -> KernelOutput:
    """Return an order to drives (none: no torque), belt and harness."""
    environment = EnvironmentCommand(
        seq=0,
        time_s=0.0,
        belt_speed_m_s=belt_m_s,
        belt_acceleration_m_s2=acceleration_m_s2,
        unloading_percent=unloading_percent,
        support_kind=SupportKind.CONSTANT_FORCE,
        harness_action=HarnessAction.UNLOAD,
    )
    return KernelOutput(
        drive=drive if drive is not None else DriveCommand(),
        environment=environment,
        requested_nm=joints(),
        reasons=np.zeros(N_JOINTS, dtype=np.uint32),
        reason=0,
        mode=int(Mode.TRAIN),
        tank_j=0.0,
        command_age_ticks=0,
        environment_age_ticks=0,
        permit_age_ticks=0,
        rejected_messages=0,
    )


def with_guidance(config: PlantConfig, factor: float) -> PlantConfig:
    """Return the configuration with guidance stiffness and damping times ``factor``."""
    g = config.guidance
    guidance = replace_model(
        g,
        stiffness_n_m=tuple(factor * k for k in g.stiffness_n_m),
        damping_ns_m=tuple(factor * d for d in g.damping_ns_m),
        stiffness_nm_rad=factor * g.stiffness_nm_rad,
        damping_nms_rad=factor * g.damping_nms_rad,
        attitude_stiffness_nm_rad=tuple(factor * k for k in g.attitude_stiffness_nm_rad),
        attitude_damping_nms_rad=tuple(factor * d for d in g.attitude_damping_nms_rad),
    )
    changed: PlantConfig = replace_model(config, guidance=guidance)
    return changed


def replace_model(model: Any, **changes: Any) -> Any:
    """Return a frozen configuration with some values changed."""
    return model.model_copy(update=changes)


class TreadmillRun:
    """Steps a plant and its patient tick by tick and keeps what a gait laboratory would measure."""

    def __init__(self, plant: Plant, patient: VirtualPatient, *, slip: bool = True) -> None:
        self.plant, self.patient, self._measure_slip = plant, patient, slip
        self._log: list[NDArray[np.float64]] = []
        self._points: NDArray[np.float64] | None = None
        self._drive: Callable[[Plant], DriveCommand] | None = None
        self._hand: Callable[[Plant], None] | None = None
        model = plant.world.model
        self._feet = [model.body(f"patient_foot_{side}").id for side in ("left", "right")]

    def drive_with(self, law: Callable[[Plant], DriveCommand]) -> None:
        """Let ``law`` command the robot's drives at every tick."""
        self._drive = law

    def hold_with(self, hand: Callable[[Plant], None]) -> None:
        """Let ``hand`` set outside forces on the body at every tick, after the patient has decided."""
        self._hand = hand

    def run(
        self,
        duration_s: float,
        belt_m_s: float,
        acceleration_m_s2: float = 0.2,
        unloading_percent: float = 0.0,
    ) -> bool:
        """Walk on at a belt speed; return whether the patient is still on their feet."""
        plant = self.plant
        output = kernel_output(belt_m_s, acceleration_m_s2, unloading_percent)
        for _ in range(round(duration_s / (plant.dt_s * _TICK_STEPS))):
            if self._drive is not None:
                output = replace(output, drive=self._drive(plant))
            plant.command(output)
            plant.think()
            if self._hand is not None:
                self._hand(plant)
            plant.advance(_TICK_STEPS)
            self._record()
            if self.fallen():
                return False
        return True

    def start_in_gait(self, belt_m_s: float, phase: float = 0.0) -> None:
        """Put the patient in the middle of the plan's gait at a belt speed: the start of a fit's trial."""
        plant, patient, w = self.plant, self.patient, self.plant.world
        data, leg = plant.data, patient.leg_m
        place = patient.plan.bracket(belt_m_s / patient.froude_m_s)
        rate = 1.0 / patient.plan.stride_time_s(place, leg)
        rows = patient.plan.rows(place, phase, phase + 0.5)
        data.qpos[w.patient_q], data.qvel[w.patient_v] = (
            rows[:, ANGLE].ravel(),
            rate * rows[:, ANGLE_RATE].ravel(),
        )
        pitch, roll, x, y, z = rows[0, PELVIS].tolist()
        spin = rate * rows[0, PELVIS_RATE]
        cp, sp, cr, sr = np.cos(pitch / 2), np.sin(pitch / 2), np.cos(roll / 2), np.sin(roll / 2)
        data.qpos[w.pelvis_q : w.pelvis_q + 7] = [
            x * leg,
            y * leg,
            z * leg,
            cp * cr,
            cp * sr,
            sp * cr,
            -sp * sr,
        ]
        data.qvel[w.pelvis_v : w.pelvis_v + 6] = [*(leg * spin[2:]), spin[1], spin[0], 0.0]
        if w.has_robot:
            data.qpos[w.exo_q], data.qvel[w.exo_v] = (
                data.qpos[w.patient_q[SAGITTAL]],
                data.qvel[w.patient_v[SAGITTAL]],
            )
            data.qpos[w.base_q : w.base_q + 7] = data.qpos[w.pelvis_q : w.pelvis_q + 7]
            data.qvel[w.base_v : w.base_v + 6] = data.qvel[w.pelvis_v : w.pelvis_v + 6]
        plant.belt.set_speed_m_s = plant.belt.target_m_s = belt_m_s
        data.qvel[w.belt_v] = -belt_m_s
        patient.speed_m_s = belt_m_s
        patient.wear(w.has_robot)
        patient.rhythm.begin(phase)
        mujoco.mj_forward(w.model, data)
        plant.tape.make_room(1)
        plant.tape.record(0.0)
        plant.tape.fill()

    def fallen(self) -> bool:
        """Return whether the pelvis is too low, or the state is not finite."""
        height = float(self.plant.data.qpos[self.plant.world.pelvis_q + 2])
        return not height > FALL_HEIGHT * self.plant.world.geometry.standing_height

    def walk(self) -> Walk:
        """Return what was recorded."""
        return Walk(np.array(self._log), self.fallen())

    def _record(self) -> None:
        plant = self.plant
        sense = plant.sense()
        self._log.append(
            np.concatenate(
                [
                    [plant.time_s],
                    sense.angle_rad,
                    sense.velocity_rad_s,
                    sense.torque_nm,
                    sense.ground_force_n,
                    sense.toe_clearance_m,
                    sense.pelvis_position_m,
                    sense.pelvis_velocity_m_s,
                    attitude(sense.pelvis_orientation),
                    guidance_wrench(plant),
                    attitude_moment(plant),
                    self._slip(),
                    plant.action.phase,
                    [sense.belt_speed_m_s, sense.unloading_n],
                    sense.cuff_torque_nm,
                ]
            )
        )

    def _slip(self) -> Vector:
        """Return the mean sliding speed of each foot's loaded points on the belt [m/s], over the tick.

        A point of radius r on a foot that turns at w rolls: its contact moves by r w against its centre.
        """
        if not self._measure_slip:
            return np.zeros(2)
        plant, w = self.plant, self.plant.world
        place = plant.data.geom_xpos[w.g_points].copy()
        force = plant.body.point_forces()[:, :, 2]
        out = np.zeros(2)
        if self._points is not None:
            velocity = (place - self._points) / (plant.dt_s * _TICK_STEPS)
            velocity[:, 0] += plant.belt_speed_m_s
            for leg, body in enumerate(self._feet):
                spin = np.zeros(6)
                mujoco.mj_objectVelocity(w.model, plant.data, mujoco.mjtObj.mjOBJ_BODY, body, spin, 0)
                rows = slice(5 * leg, 5 * leg + 5)
                v = velocity[rows, :2].copy()
                v[:, 0] -= spin[1] * w.point_radius[rows]
                v[:, 1] += spin[0] * w.point_radius[rows]
                loaded = force[leg] > _LOADED_N
                if loaded.any():
                    speed = np.hypot(v[loaded, 0], v[loaded, 1])
                    out[leg] = float(speed @ force[leg, loaded] / force[leg, loaded].sum())
        self._points = place
        return out
