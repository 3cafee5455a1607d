"""The plant: one MuJoCo world with drives, belt, harness and patient, advanced step by step."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np

from exostride.compiled import Record, record
from exostride.errors import DeviceError
from exostride.model.anthropometry import BodyParameters
from exostride.patient.interface import JointDrive, PatientAction, PatientModel, PatientSense
from exostride.plant import firmware, status
from exostride.plant.belt import BeltFirmware
from exostride.plant.body_state import BodyState
from exostride.plant.config import PlantConfig
from exostride.plant.disturbances import Disturbances
from exostride.plant.drives import DriveBank
from exostride.plant.engine import Engine, EngineFactory, MujocoEngine
from exostride.plant.estop import StopLines
from exostride.plant.harness import HarnessFirmware
from exostride.plant.seam import FaultSeam
from exostride.plant.tape import Tape
from exostride.plant.world import RobotKind, SurfaceKind, World, build_world
from exostride.types import DriveApplied, KernelOutput, SimTruth, Vector, joints

TAPE_ROWS = 64
HEAT_STEPS = 50
"""Windings take minutes to warm: their temperature moves once in so many physics steps."""
_SETTLING = (3000.0, 80.0)
"""Stiffness [N m/rad] and damping that hold the body while it settles on its soles before a start."""


class Plant:
    """Body, robot and machine in one world; everything here runs on physics time.

    ``advance`` is the physics of ``steps`` steps, ``command`` what reaches drives, belt and harness. Both
    are separate so that a plant goes on, and its firmware's watchdogs act, when nobody commands it.
    """

    def __init__(
        self,
        config: PlantConfig,
        body: BodyParameters,
        patient: PatientModel,
        robot: RobotKind = "exoskeleton",
        surface: SurfaceKind = "treadmill",
        seam: FaultSeam | None = None,
        engine: EngineFactory = MujocoEngine,
    ) -> None:
        self.config = config
        self.patient = patient
        self.world: World = build_world(config, body, robot, surface)
        self.data: Any = mujoco.MjData(self.world.model)
        self.engine: Engine = engine(self.world, self.data)
        self.dt_s = config.physics.timestep_s
        self.seam = seam
        self.drives = DriveBank(config.drives, self._effort(), self.dt_s)
        self.belt = BeltFirmware(config.belt, self.dt_s)
        self.weight_n = self.world.body_mass_kg * abs(float(self.world.model.opt.gravity[2]))
        self.harness = HarnessFirmware(config.harness, self.weight_n, self.dt_s)
        self.stop_lines = StopLines()
        self.disturbances = Disturbances(self.world)
        self.tape = Tape(self.world, self.data, TAPE_ROWS)
        self.body = BodyState(self.world, self.data, self.tape)
        self._views()
        self.reset()

    def _views(self) -> None:
        """Take views of the engine's arrays, which stay where they are: a step then only reads and writes."""
        w, model, data = self.world, self.world.model, self.data
        self._ctrl, self._bias = data.ctrl, model.actuator_biasprm
        self._qpos, self._qvel, self._muscle = data.qpos, data.qvel, w.a_muscle.start
        self._inertia, self._length = model.tendon_armature, data.ten_length
        self._places: Record = record(
            firmware.PLACES,
            drive=w.a_drive.start,
            belt=w.a_belt,
            belt_speed=w.belt_v,
            pull=w.a_pull,
            hold=w.a_hold,
            pelvis_speed=w.pelvis_v,
            servo_ns_m=self.config.belt.servo_ns_m,
            dt=self.dt_s,
        )
        self._exo_angle, self._exo_speed = data.qpos[w.exo_q], data.qvel[w.exo_v]
        self._firmware = (self.drives.record, self.belt.record, self.harness.record, self._places)
        self._read_write = (
            *(self._exo_angle, self._exo_speed, data.qvel, self._length),
            *(self._ctrl, self._bias, self._inertia),
        )
        self._cable = (data.actuator_force, self._inertia, data.ten_J, data.ten_velocity, data.qvel)
        column = self.tape.column
        self._drive_column, self._speed_column = column("force", w.a_drive), column("v", w.exo_v)

    def _effort(self) -> Vector:
        if not self.world.has_robot:
            return joints()
        v = self.world.exo_v
        ids = self.world.model.dof_jntid[v]
        return np.array(self.world.model.jnt_actfrcrange[ids, 1])

    # ------------------------------------------------------------------ start

    def reset(self) -> None:
        """Stand the body on the belt at rest, cable braked and just taut."""
        model, data = self.world.model, self.data
        self.engine.prepare()
        mujoco.mj_resetData(model, data)
        height = self.world.geometry.standing_height
        for address in {self.world.base_q, self.world.pelvis_q}:
            data.qpos[address + 2] = height
        self.steps = 0
        self.tension_n = 0.0
        self._sense: PatientSense | None = None
        self._warm, self._work_w, self._warm_steps = joints(), 0.0, 0
        self.action = PatientAction()
        self.drives.reset()
        self.belt.reset()
        self.disturbances.reset()
        self.patient.reset()
        self._settle()
        self.harness.reset(float(data.ten_length[0]))
        self._set_cable()
        mujoco.mj_forward(model, data)
        self.engine.place()
        self.tape.make_room(1)
        self.tape.record(0.0)
        self.tape.fill()

    def _settle(self) -> None:
        model, data, w = self.world.model, self.data, self.world
        stiffness, damping = _SETTLING
        data.ctrl[:] = 0.0
        model.actuator_biasprm[[w.a_pull, w.a_hold], 1:3] = 0.0
        self._inertia[0] = 0.0
        model.actuator_biasprm[w.a_muscle, 1] = -stiffness
        model.actuator_biasprm[w.a_muscle, 2] = -damping
        for _ in range(round(0.6 / self.dt_s)):
            mujoco.mj_step(model, data)
            data.qvel[:] *= 0.98
        data.qvel[:] = 0.0
        data.time = 0.0
        model.actuator_biasprm[w.a_muscle, 1:3] = 0.0

    # ------------------------------------------------------------------ commands

    @property
    def time_s(self) -> float:
        """Physics time [s]."""
        return self.steps * self.dt_s

    def command(self, output: KernelOutput) -> None:
        """Hand the kernel's output to the firmware of drives, belt and harness."""
        drive, environment = output.drive, output.environment
        if self.seam is not None:
            drive, environment = self.seam.commands(self.time_s, drive, environment)
        self.stop_lines.command(output.estop_test)
        if self.world.has_robot:
            self.drives.command(drive)
        self.belt.command(environment)
        self.harness.command(environment, self._length.item(0), self.tension_n)

    def sense(self) -> PatientSense:
        """Return the true state of the patient's body now."""
        if self._sense is None:
            self._sense = self.body.sense(self.time_s, self.belt_speed_m_s)
        return self._sense

    def think(self) -> PatientSense:
        """Let the patient read its body and set its joints until the next call."""
        sense = self.sense()
        action = self.patient.step(self.time_s, sense)
        if self.seam is not None:
            action = self.seam.patient(self.time_s, action)
        self.action = action
        self._apply_muscles(action.active, action.passive)
        return sense

    def _apply_muscles(self, active: JointDrive, passive: JointDrive) -> None:
        firmware.apply_muscles(*_parts(active), *_parts(passive), self._muscle, self._ctrl, self._bias)

    # ------------------------------------------------------------------ physics

    @property
    def belt_speed_m_s(self) -> float:
        """Speed of the belt's surface, backwards under the walker [m/s]."""
        return -self._qvel.item(self.world.belt_v) if self.world.belt_v >= 0 else 0.0

    def machine(self) -> tuple[float, float, int, int, bool, int]:
        """Return what belt and harness say of themselves, see :func:`status.machine`."""
        return status.machine(self.belt.record, self.harness.record)

    def advance(self, steps: int) -> DriveApplied:
        """Advance the physics by ``steps`` steps (at most a third of the tape's length).

        Raises
        ------
        DeviceError
            The physics has diverged.
        """
        self.tape.make_room(steps)
        tape, step = self.tape, self.engine.step
        for _ in range(steps):
            if self.seam is None:
                firmware.before_step(*self._firmware, *self._read_write, self.tension_n)
            else:
                self._before_step(self.seam)
            if self.disturbances.active:
                self.disturbances.apply(self.time_s, self.data)
            step()
            self.steps += 1
            self.tension_n = firmware.tension(self._places, *self._cable)
            tape.record(self.tension_n)
        self._recentre()
        if not tape.close():
            raise DeviceError(
                f"simulation diverged at {self.time_s:.3f} s: take softer cuffs or contacts, or a smaller "
                "physics timestep_s, in the plant's configuration"
            )
        self._sense = None
        return self._applied(steps)

    def _before_step(self, seam: FaultSeam) -> None:
        """Run the firmware as :func:`firmware.before_step`, with the fault layer before the motors."""
        f, places, control = firmware, self._places, self._ctrl
        if self.world.has_robot:
            torque = seam.drive_torque(self.time_s, self.drives.step(self._exo_angle, self._exo_speed))
            f.apply_drives(self.drives.record, places, torque, self._exo_speed, control)
        f.apply_belt(self.belt.record, places, self._qvel, control)
        tension = seam.load_cell(self.time_s, self.tension_n)
        f.harness_step(self.harness.record, self._length.item(0), tension)
        self._set_cable()

    def _set_cable(self) -> None:
        firmware.apply_cable(self.harness.record, self._places, self._ctrl, self._bias, self._inertia)

    def _recentre(self) -> None:
        """Bring the belt back by its length; its surface is alike everywhere, so no contact notices."""
        w = self.world
        if w.belt_q >= 0 and abs(self._qpos.item(w.belt_q)) > 0.5 * self.config.belt.half_length_m:
            self.engine.recentre(w.belt_q)

    def _applied(self, steps: int) -> DriveApplied:
        if not self.world.has_robot:
            return DriveApplied(joints(), joints())
        columns = (self._drive_column.start, self._speed_column.start)
        peak, power = firmware.strain(self.tape.rows[-steps:], *columns, self._warm)
        self._work_w += power
        self._warm_steps += steps
        if self._warm_steps >= HEAT_STEPS:
            n = self._warm_steps
            self.drives.heat(self._warm / n, self._work_w / n, n * self.dt_s)
            self._warm, self._work_w, self._warm_steps = joints(), 0.0, 0
        return DriveApplied(self.tape.mean[self._drive_column].copy(), peak)

    # ------------------------------------------------------------------ truth

    def truth(self, seq: int, time_s: float) -> SimTruth:
        """Return what only a simulation knows."""
        bits = 0 if self.seam is None else self.seam.fault_bits(self.time_s)
        return self.body.truth(seq, time_s, self.action, self.sense(), bits)


def _parts(drive: JointDrive) -> tuple[Vector, Vector, Vector, Vector, Vector]:
    d = drive
    gains = (d.torque_nm, d.stiffness_nm_rad, d.damping_nms_rad)
    return *gains, d.reference_rad, d.reference_velocity_rad_s


def guidance_wrench(plant: Plant) -> Vector:
    """Return guidance force x, y [N] and torque about z [N m] on the pelvis, mean over the last tick."""
    mean: Vector = plant.tape.mean[plant.tape.column("force", plant.world.a_guidance)]
    return mean.copy()


def attitude_moment(plant: Plant) -> Vector:
    """Return the frame's moment in roll and pitch on the robot's base [N m], mean over the last tick."""
    if not plant.world.has_robot:
        return np.zeros(2)
    mean: Vector = plant.tape.mean[plant.tape.column("force", plant.world.a_attitude)]
    return mean.copy()
