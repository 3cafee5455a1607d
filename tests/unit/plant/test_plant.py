"""The world as a whole: weight, unloading, belt, cuffs, energy, determinism."""

import mujoco
import numpy as np
import pytest

from exostride.errors import DeviceError
from exostride.model.anthropometry import BodyParameters
from exostride.patient.interface import SAGITTAL, JointDrive, PatientAction
from exostride.plant.checks import cuff_margin, sole
from exostride.plant.plant import Plant, attitude_moment, guidance_wrench
from exostride.plant.stance import StiffStance
from exostride.types import DriveCommand, EnvironmentFault, HarnessAction, SupportKind

WALK = {"belt_speed_m_s": 0.2, "belt_acceleration_m_s2": 0.5}
FULL = np.full(6, 1e3)


class Limp:
    """A body without muscle torque, or with a constant one."""

    def __init__(self, torque=None):
        self.drive = JointDrive() if torque is None else JointDrive(torque_nm=np.array(torque))

    def step(self, t, sense):
        return PatientAction(active=self.drive)

    def reset(self):
        pass


def vertical(sense):
    return sense.ground_force_n[2] + sense.ground_force_n[5]


@pytest.mark.parametrize("robot", ["exoskeleton", "none"])
def test_feet_and_harness_together_carry_the_weight(make_plant, output, run, robot):
    plant = make_plant(robot)
    for percent in (0.0, 30.0):
        senses = run(plant, 400, output(unloading_percent=percent))
        total = np.mean([vertical(s) + s.unloading_n for s in senses[-40:]])
        assert total == pytest.approx(plant.weight_n, rel=0.01)
        assert np.mean([s.unloading_n for s in senses[-40:]]) == pytest.approx(
            percent / 100.0 * plant.weight_n, abs=0.01 * plant.weight_n
        )


def test_a_standing_body_stays_where_it_is_and_guidance_never_lifts(make_plant, output, run):
    plant = make_plant()
    senses = run(plant, 600, output())
    assert np.abs(senses[-1].pelvis_position_m[:2]).max() < 0.03
    assert senses[-1].pelvis_position_m[2] == pytest.approx(plant.world.geometry.standing_height, abs=0.02)
    names = [plant.world.model.actuator(i).name for i in range(plant.world.model.nu)]
    gears = plant.world.model.actuator_gear[[i for i, n in enumerate(names) if n.startswith("guidance")]]
    assert np.abs(gears[:, 2:5]).max() == 0.0
    hold = plant.world.model.actuator_gear[plant.world.a_attitude]
    assert np.abs(hold[:, [0, 1, 2, 5]]).max() == 0.0


def test_the_frame_keeps_the_robots_attitude_and_only_the_robots(make_plant, output, run):
    """A steady moment in pitch tips the base by the moment over the frame's stiffness."""
    plant = make_plant("exoskeleton", Limp())
    plant.harness.reset(10.0)
    lean = 0.02
    half = 0.5 * lean
    plant.data.qpos[plant.world.base_q + 3 : plant.world.base_q + 7] = [np.cos(half), 0.0, np.sin(half), 0.0]
    plant.advance(1)
    moment = attitude_moment(plant)
    assert moment[1] == pytest.approx(-lean * plant.config.guidance.attitude_stiffness_nm_rad[1], rel=0.05)
    assert abs(moment[0]) < 0.05 * abs(moment[1])
    assert np.array_equal(attitude_moment(make_plant("none")), np.zeros(2))


@pytest.mark.parametrize("kind", list(SupportKind))
def test_every_kind_of_support_unloads_a_standing_body(make_plant, output, run, kind):
    plant = make_plant("none")
    senses = run(plant, 500, output(unloading_percent=40.0, support_kind=kind))
    assert np.mean([s.unloading_n for s in senses[-50:]]) == pytest.approx(0.4 * plant.weight_n, rel=0.03)


def test_a_counterweight_resists_acceleration_where_a_regulated_force_does_not(make_plant, output, run):
    swing = {}
    for kind in (SupportKind.CONSTANT_FORCE, SupportKind.COUNTERWEIGHT):
        plant = make_plant("none")
        command = output(unloading_percent=40.0, support_kind=kind)
        run(plant, 500, command)
        plant.disturbances.push("patient_pelvis", [0, 0, 300.0], [0, 0, 0], plant.time_s, 0.03)
        tension = []
        for _ in range(12):
            plant.command(command)
            plant.think()
            plant.advance(5)
            tension.extend(plant.tape.rows[-5:, -1])
        swing[kind] = np.ptp(tension)
    assert swing[SupportKind.CONSTANT_FORCE] < 2.0
    assert swing[SupportKind.COUNTERWEIGHT] > 20.0


def test_hold_catches_a_collapsing_body(make_plant, output, run):
    buckling = [0.0, 15.0, 25.0, 0.0] * 2
    plant = make_plant("none", Limp(buckling))
    height = plant.sense().pelvis_position_m[2]
    senses = run(plant, 400, output(harness_action=HarnessAction.HOLD))
    assert senses[-1].pelvis_position_m[2] > height - 0.15
    assert np.mean([s.unloading_n for s in senses[-100:]]) > 0.5 * plant.weight_n
    free = make_plant("none", Limp(buckling))
    assert run(free, 400, output())[-1].pelvis_position_m[2] < height - 0.4


def test_lift_takes_the_weight_off_the_feet_and_confirms(make_plant, output, run):
    plant = make_plant()
    senses = run(plant, 900, output(harness_action=HarnessAction.LIFT))
    assert plant.harness.confirmed
    assert senses[-1].unloading_n > 0.85 * plant.weight_n


def test_belt_ramps_under_load_and_comes_back_to_its_place(make_plant, output, run, config):
    short = config.model_copy(update={"belt": config.belt.model_copy(update={"half_length_m": 1.0})})
    plant = make_plant("none", config=short)
    command = output(harness_action=HarnessAction.LIFT, belt_speed_m_s=0.8, belt_acceleration_m_s2=0.4)
    speeds, places = [], []
    for _ in range(1000):
        plant.command(command)
        plant.think()
        plant.advance(5)
        speeds.append(plant.belt_speed_m_s)
        places.append(float(plant.data.qpos[plant.world.belt_q]))
    assert speeds[199] == pytest.approx(0.4, abs=0.03)
    assert speeds[-1] == pytest.approx(0.8, abs=0.03)
    assert np.abs(places).max() < 0.51
    jump = np.flatnonzero(np.diff(places) > 0.2)
    assert jump.size >= 3
    assert np.abs(np.diff(speeds)).max() < 0.02


def test_belt_and_harness_stop_by_themselves_when_commands_cease(make_plant, output, run):
    plant = make_plant()
    run(plant, 200, output(unloading_percent=30.0, **WALK))
    assert plant.belt_speed_m_s == pytest.approx(0.2, abs=0.03)
    run(plant, 150)
    assert plant.belt_speed_m_s == pytest.approx(0.0, abs=0.02)
    assert plant.belt.faults & EnvironmentFault.BELT_WATCHDOG
    assert plant.harness.law.locked


def test_a_flexing_drive_pushes_the_thigh_forward(make_plant, output, run):
    plant = make_plant()
    run(plant, 100, output(unloading_percent=20.0))
    torque = np.array([15.0, 0, 0, 0, 0, 0])
    drive = DriveCommand(torque_nm=torque, low_nm=-FULL, high_nm=FULL)
    run(plant, 100, output(drive=drive, unloading_percent=20.0))
    truth = plant.truth(0, 0.0)
    assert truth.drive_torque_nm[0] == pytest.approx(15.0, rel=1e-3)
    assert truth.cuff_force_n[0] > 15.0
    assert truth.cuff_torque_nm[0] > 8.0
    assert truth.cuff_torque_nm[0] > 5.0 * abs(truth.cuff_torque_nm[3])


def test_cuff_torque_is_the_power_conjugate_of_joint_speed(make_plant, output, run):
    """The patient's joint torques of all cuffs equal J^T F computed independently of the engine's moments."""
    plant = make_plant()
    drive = DriveCommand(torque_nm=np.array([20.0, 10, -8, -15, 12, 6]), low_nm=-FULL, high_nm=FULL)
    run(plant, 40, output(drive=drive, unloading_percent=30.0))
    model, data, w = plant.world.model, plant.data, plant.world
    mujoco.mj_forward(model, data)
    expected = np.zeros(model.nv)
    for i, name in enumerate(
        f"cuff_{s}_{side}" for side in ("left", "right") for s in ("thigh", "shank", "foot")
    ):
        site = model.site(f"patient_{name}").id
        frame = data.site_xmat[model.site(name).id].reshape(3, 3)
        wrench = data.actuator_force[w.a_cuff].reshape(6, 6)[i]
        jacp, jacr = np.zeros((3, model.nv)), np.zeros((3, model.nv))
        mujoco.mj_jacSite(model, data, jacp, jacr, site)
        expected += jacp.T @ (frame @ wrench[:3]) + jacr.T @ (frame @ wrench[3:])
    got = data.qfrc_actuator[w.patient_v] - data.actuator_force[w.a_muscle]
    assert got == pytest.approx(expected[w.patient_v], abs=1e-9)
    assert np.abs(got).max() > 3.0


def test_what_muscles_do_is_told_of_the_states_they_did_it_in(make_plant, output, run):
    """A body that gives way, without tissue: all torque but the joints' own damping is the muscles'."""
    crouched = np.array([0.0, 0.6, 1.0, 0.3] * 2)
    plant = make_plant("none", StiffStance(crouched, stiffness_nm_rad=60.0, damping_nms_rad=2.0))
    run(plant, 60, output())
    damping = plant.world.model.dof_damping[plant.world.patient_v[SAGITTAL]]
    for k in range(60, 70):
        plant.think()
        plant.advance(5)
        truth = plant.truth(k, 0.005 * k)
        muscles = truth.patient_torque_nm + damping * truth.patient_velocity_rad_s
        assert truth.patient_active_torque_nm == pytest.approx(muscles, abs=1e-9)
    assert np.abs(truth.patient_velocity_rad_s).max() > 0.5, "a body at rest would prove nothing"


def test_without_muscles_and_drives_the_energy_never_rises(make_plant, output):
    """Falling, striking the belt and swinging in the cuffs only loses energy (cuffs' springs included)."""
    plant = make_plant("exoskeleton", Limp())
    model, data, w = plant.world.model, plant.data, plant.world
    model.opt.enableflags |= mujoco.mjtEnableBit.mjENBL_ENERGY
    plant.harness.reset(10.0)
    data.qpos[[w.base_q + 2, w.pelvis_q + 2]] += 0.05
    springs = np.r_[
        np.arange(w.a_cuff.start, w.a_cuff.stop),
        np.arange(w.a_pelvis_belt.start, w.a_pelvis_belt.stop),
        np.arange(w.a_guidance.start, w.a_guidance.stop),
        np.arange(w.a_attitude.start, w.a_attitude.stop),
    ]
    stiffness = -model.actuator_biasprm[springs, 1]
    lift = model.actuator_biasprm[model.actuator("frame_z").id, 0]
    frame = model.site("frame_balance").id
    energy = []
    for _ in range(700):
        plant.think()
        plant.advance(1)
        mujoco.mj_forward(model, data)
        elastic = 0.5 * stiffness @ data.actuator_length[springs] ** 2
        energy.append(float(data.energy.sum() + elastic - lift * data.site_xpos[frame, 2]))
    energy = np.array(energy)
    assert np.diff(energy).max() < 0.3
    assert energy[-1] < energy[0] - 20.0


def test_forces_on_the_body_explain_its_momentum(make_plant, output, run):
    """Ground reaction, cable and gravity equal mass times the centre of mass' acceleration while it falls."""
    plant = make_plant("none", Limp([0.0, 15.0, 25.0, 0.0] * 2))
    run(plant, 70, output(unloading_percent=20.0))
    rows, column, sensor = plant.tape.rows, plant.tape.column, plant.world.sensor_slices
    ground = rows[:, plant.body.points_column][:, 2::3].sum(axis=1)
    velocity = rows[:, column("sensor", sensor["com_velocity"])][:, 2]
    to_pulley = plant.config.harness.pulley_height_m - plant.data.site("patient_harness").xpos[2]
    upward = rows[:, -1] * to_pulley / rows[:, column("sensor", sensor["cable_length"])][:, 0]
    force = ground + upward - plant.weight_n
    acceleration = np.diff(velocity) / plant.dt_s
    assert plant.world.body_mass_kg * acceleration == pytest.approx(force[:-1], abs=0.02 * plant.weight_n)
    assert np.abs(acceleration).max() > 1.0
    assert ground.max() > 0.2 * plant.weight_n


def test_a_push_moves_the_body_and_ends(make_plant, output, run):
    plant = make_plant()
    run(plant, 100, output(unloading_percent=20.0))
    plant.disturbances.push("patient_pelvis", [0.0, 60.0, 0.0], [0, 0, 0], plant.time_s, 0.2)
    assert run(plant, 40, output(unloading_percent=20.0))[-1].pelvis_position_m[1] > 0.003
    # Stiff legs on soft soles sway for some seconds.
    run(plant, 700, output(unloading_percent=20.0))
    assert not plant.disturbances.active
    assert np.abs(plant.data.xfrc_applied).max() == 0.0
    assert abs(plant.sense().pelvis_position_m[1]) < 0.003
    assert abs(guidance_wrench(plant)[1]) < 10.0


def test_a_blocked_toe_holds_the_foot_back(make_plant, output, run):
    flexed = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.9, 0.8, 0.2])

    class Stepper:
        def __init__(self):
            from exostride.plant.stance import StiffStance

            self.inner = StiffStance(flexed, 200.0, 8.0)

        def step(self, t, sense):
            return self.inner.step(t, sense)

        def reset(self):
            pass

    reach = []
    for blocked in (False, True):
        plant = make_plant("none", Stepper())
        command = output(harness_action=HarnessAction.HOLD)
        if blocked:
            plant.disturbances.block_toe(1, plant.data, 0.4, ahead_m=0.0)
        run(plant, 40, command)
        foot = plant.world.model.body("patient_foot_right").id
        reach.append(float(plant.data.xipos[foot, 0]))
    assert reach[1] < reach[0] - 0.02


def test_an_obstacle_follows_a_foot_that_goes_back_and_holds_it_so_long_after_it_was_met(make_plant):
    plant = make_plant()
    foot = plant.world.model.body("patient_foot_left").id
    start = float(plant.data.xipos[foot, 0])
    plant.disturbances.block_toe(0, plant.data, 0.2, ahead_m=0.05)

    def force(now, away):
        plant.data.xipos[foot, 0] = start + away
        plant.disturbances.apply(now, plant.data)
        return float(plant.data.xfrc_applied[foot, 0])

    assert force(0.0, 0.0) == force(5.0, -0.10) == 0.0
    assert force(5.05, -0.06) == 0.0
    assert force(5.1, -0.04) == pytest.approx(-150.0, abs=1.0)
    assert force(5.25, 0.0) == -450.0
    assert force(5.31, 0.0) == 0.0 and not plant.disturbances.active


def test_the_same_start_gives_the_same_bits_also_after_reset(make_plant, output, run):
    command = output(DriveCommand(torque_nm=np.full(6, 6.0), low_nm=-FULL, high_nm=FULL), **WALK)
    plant, other = make_plant(), make_plant()
    run(plant, 120, command)
    run(other, 120, command)
    assert np.array_equal(plant.tape.rows, other.tape.rows)
    other.reset()
    run(other, 120, command)
    assert np.array_equal(plant.data.qpos, other.data.qpos)


def test_a_diverged_simulation_is_an_error_and_no_silent_restart(make_plant, output, run):
    plant = make_plant()
    plant.world.model.actuator_biasprm[plant.world.a_cuff, 1] *= 1e5
    plant.disturbances.push("shank_left", [80.0, 0, 0], [0, 0, 0], 0.0, 0.05)
    with pytest.raises(DeviceError, match=r"diverged at \d"):
        run(plant, 400, output())


def test_cuffs_are_stable_with_margin(config):
    stable, unstable = cuff_margin(config)
    assert stable >= 16.0
    assert stable < unstable < float("inf")


def test_the_shoe_is_as_soft_as_a_shoe(config):
    compression, stiffness = sole(config)
    # Half the weight on a heel pad (some 5 mm) and a shoe (some 2 mm); 100 to 300 kN/m when pressed.
    assert 0.004 < compression < 0.010
    assert 100e3 < stiffness < 300e3


def test_ground_surface_has_no_belt(make_plant, output, run):
    plant = make_plant("none", surface="ground")
    run(plant, 50, output(**WALK))
    assert plant.belt_speed_m_s == 0.0
    assert plant.world.belt_v == -1


@pytest.mark.parametrize("height, mass", [(1.15, 20.0), (1.9, 110.0)])
def test_child_and_tall_adult_stand(config, output, run, height, mass):
    from exostride.plant.stance import StiffStance

    plant = Plant(config, BodyParameters(height_m=height, mass_kg=mass), StiffStance())
    senses = run(plant, 300, output())
    assert vertical(senses[-1]) == pytest.approx(plant.weight_n, rel=0.02)
