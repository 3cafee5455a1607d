"""From the flat vector of measured channels to the messages of the graph."""

from __future__ import annotations

from math import sqrt

import numpy as np

from exostride.compiled import In1, compiled
from exostride.plant.plant import Plant
from exostride.plant.sensors import SensorPipeline
from exostride.types import (
    DeviceReading,
    EnvironmentState,
    ExoState,
    PatientPhysio,
    Signal,
    Vector,
    joints,
)

ALL_SIGNALS = Signal((1 << len(Signal)) - 1)
WITHOUT_ROBOT = Signal.FOOT_LOAD | Signal.FOOT_WRENCH | Signal.PELVIS
"""What instrumented shoes and the frame measure when the patient wears no robot."""
SIX_BITS = 0b111111
SKIN_REST_C = 32.0
SKIN_WORK_C_PER_N = 0.004
SKIN_TIME_CONSTANT_S = 300.0


@compiled
def _warmed(skin: In1, force: In1, share: float) -> Vector:
    """Return the skin's temperature: one thermal mass a cuff, warmed by pressure and friction."""
    out = np.empty(skin.size)
    for i in range(out.size):
        x, y, z = force[3 * i], force[3 * i + 1], force[3 * i + 2]
        goal = SKIN_REST_C + SKIN_WORK_C_PER_N * sqrt(x * x + y * y + z * z)
        out[i] = skin[i] + (goal - skin[i]) * share
    return out


class Instruments:
    """Reads a plant once a tick into the values that a device hands on."""

    def __init__(self, plant: Plant, sensors: SensorPipeline, period_s: float) -> None:
        self._plant, self._sensors, self._period = plant, sensors, period_s
        self._skin = joints() + SKIN_REST_C

    def read(self, seq: int) -> DeviceReading:
        """Return all measurements of tick ``seq``."""
        plant, sensors = self._plant, self._sensors
        time_s = seq * self._period
        values = sensors.measure(plant.drives.temperature_c)
        if plant.seam is not None:
            values = plant.seam.channels(plant.time_s, values, sensors.places)
        parts = {name: values[place] for name, place in sensors.places.items()}
        reading = DeviceReading(
            exo=self._exo(seq, time_s, parts),
            environment=self._environment(seq, time_s, parts),
            physio=self._physio(seq, time_s, parts),
            truth=plant.truth(seq, time_s),
        )
        return reading if plant.seam is None else plant.seam.reading(plant.time_s, reading)

    def _exo(self, seq: int, time_s: float, p: dict[str, Vector]) -> ExoState:
        plant, sensors = self._plant, self._sensors
        robot = plant.world.has_robot
        bits = SIX_BITS if robot else 0
        return ExoState(
            seq=seq,
            time_s=time_s,
            stamp_s=max(0.0, time_s - sensors.angle_latency_s),
            available=int(ALL_SIGNALS if robot else WITHOUT_ROBOT),
            joint_valid=bits,
            foot_valid=0b11,
            segment_valid=bits,
            angle_rad=p["angle"],
            velocity_rad_s=p["velocity"],
            joint_torque_nm=p["joint_torque"],
            motor_torque_nm=p["motor_torque"],
            cuff_torque_nm=sensors.cuff_torque(p["angle"], p["cuff_force"], p["cuff_moment"])
            if robot
            else joints(),
            cuff_force_n=p["cuff_force"],
            foot_force_n=p["foot_force"],
            foot_cop_m=p["foot_cop"],
            foot_load_n=p["foot_load"],
            pelvis_position_m=p["pelvis_position"],
            pelvis_velocity_m_s=p["pelvis_velocity"],
            pelvis_orientation=sensors.orientation(p["pelvis_tilt"]),
            pelvis_gyro_rad_s=p["pelvis_gyro"],
            pelvis_accel_m_s2=p["pelvis_accel"],
            segment_angle_rad=p["segment_angle"],
            segment_rate_rad_s=p["segment_rate"],
            segment_accel_m_s2=p["segment_accel"],
            motor_temperature_c=p["motor_temperature"],
            battery_fraction=plant.drives.battery_fraction if robot else 1.0,
            estop_closed_a=plant.stop_lines.closed(0),
            estop_closed_b=plant.stop_lines.closed(1),
            device_faults=int(plant.drives.faults) if robot else 0,
        )

    def _environment(self, seq: int, time_s: float, p: dict[str, Vector]) -> EnvironmentState:
        plant = self._plant
        unloading = p["unloading"].item()
        acceleration, target, kind, action, confirmed, faults = plant.machine()
        return EnvironmentState(
            seq=seq,
            time_s=time_s,
            belt_speed_m_s=p["belt_speed"].item(),
            belt_acceleration_m_s2=acceleration,
            belt_target_m_s=target,
            unloading_n=unloading,
            unloading_percent=100.0 * unloading / plant.weight_n,
            support_kind=kind,
            harness_action=action,
            harness_confirmed=confirmed,
            guidance_force_n=p["guidance_force"],
            guidance_torque_nm=p["guidance_torque"].item(),
            faults=faults,
        )

    def _physio(self, seq: int, time_s: float, p: dict[str, Vector]) -> PatientPhysio:
        action = self._plant.action
        self._skin = _warmed(self._skin, p["cuff_force"], self._period / SKIN_TIME_CONSTANT_S)
        return PatientPhysio(
            seq=seq,
            time_s=time_s,
            heart_rate_bpm=action.heart_rate_bpm,
            emg=action.emg,
            skin_temperature_c=self._skin,
        )
