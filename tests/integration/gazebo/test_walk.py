"""A hemiparetic patient walks in Gazebo with the robot's help, through ROS and on the virtual clock."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("exostride_msgs")

sys.path.insert(0, str(Path(__file__).parents[1]))

from bags import EXACT, difference, values

from exostride import types
from exostride.conventions import GRAVITY_M_S2
from exostride.errors import ExitCode
from exostride.paths import config_dir
from exostride.patient.profiles import load_profile
from exostride.plant.config import load_plant_config
from exostride.plant.world import build_world
from exostride.runtime.simulate import SimulationConfig, run
from exostride.safety.limits import load_limits

pytestmark = [pytest.mark.gazebo, pytest.mark.ros, pytest.mark.slow]

PATIENT = "hemiparetic_left_mild"
PERIOD_S = 0.005
LIMITS = load_limits(config_dir() / "limits" / "default.yaml")
MARGIN_RAD = 0.05
"""A joint may come so far in a tick."""
SETTLED_S = 8.0
STOP_S = 37.0
ALIKE_S = 20.0
"""How much of the session the second run repeats."""
FAULT = f"F20@swing:left,start={STOP_S:g}"


class Walk:
    """What two bags say of the same session, and how both runs ended."""

    def __init__(self, folder):
        self.log = folder / "log"
        command = [Path(sys.executable).parent / "exostride", "launch", "gazebo.launch.yaml"]
        arguments = [f"patient:={PATIENT}", "duration:=60.0", f"fault:={FAULT}", "bag:=ros"]
        with self.log.open("wb") as log:
            launched = subprocess.Popen(
                [*command, *arguments, "view:=false", "tf:=false", "audit:="],
                env={k: v for k, v in os.environ.items() if k != "ROS_DOMAIN_ID"},
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            bag = folder / "virtual"
            config = SimulationConfig(
                device="gazebo", patient=PATIENT, controller="impedance", duration_s=60.0, bag=bag
            )
            run(config, lambda tick: tick.time_s < ALIKE_S)
            self.code = launched.wait(timeout=600.0)
        finally:
            launched.kill()
            launched.wait()
        self.virtual, self.ros = values(bag), values(folder / "ros")
        self.truth, self.applied = self.ros[types.SimTruth], self.ros[types.AppliedTorque]
        faulty = [t.seq for t in self.truth if t.fault_bits]
        assert faulty, f"it ended before {STOP_S:g} s\n{self.log.read_text()}"
        self.stop = faulty[0]

    def before(self, cls):
        """Return the values of the settled walk before the emergency stop."""
        first = round(SETTLED_S / PERIOD_S)
        return [value for value in self.ros[cls] if first <= value.seq < self.stop]


@pytest.fixture(scope="module")
def walk(gazebo, tmp_path_factory):
    return Walk(tmp_path_factory.mktemp("gazebo_walk"))


def test_the_patient_walks_until_stopped(walk):
    assert walk.code == ExitCode.SAFETY_STOP, walk.log.read_text()
    belt = np.array([e.belt_speed_m_s for e in walk.ros[types.EnvironmentState] if e.seq < walk.stop])
    assert np.sum(belt > 0.1) * PERIOD_S >= 30.0
    strikes = [e for e in walk.ros[types.GaitEvent] if e.kind == types.EventKind.HEEL_STRIKE]
    assert len(strikes) >= 20
    height = [t.pelvis_position_m[2] for t in walk.truth if t.seq < walk.stop]
    assert min(height) > 0.9 * height[0]
    assert all(not a.command_age_ticks for a in walk.before(types.AppliedTorque)), "no lock-step"


def test_forces_add_up_to_weight_over_whole_strides(walk):
    """Ground, cable and frame carry patient and robot, and guidance has nothing upright."""
    truth, environment = walk.before(types.SimTruth), walk.before(types.EnvironmentState)
    ground = np.array([t.ground_force_n[[2, 5]] for t in truth])
    loaded = (ground[:, 0] > 30.0).astype(int)
    strikes = np.flatnonzero(np.diff(loaded) > 0)
    strikes = strikes[np.insert(np.diff(strikes) * PERIOD_S > 0.8, 0, True)]
    assert len(strikes) > 8
    whole = slice(strikes[0], strikes[-1])
    cable = np.mean([e.unloading_n for e in environment[whole]])
    weight = load_profile(PATIENT).body.mass_kg * GRAVITY_M_S2
    model = build_world(load_plant_config(), load_profile(PATIENT).body).model
    robot = GRAVITY_M_S2 * model.body_mass.sum() - weight - GRAVITY_M_S2 * model.body("belt").mass[0]
    frame = model.actuator_biasprm[model.actuator("frame_z").id, 0]
    guided = [i for i in range(model.nu) if model.actuator(i).name.startswith("guidance_")]
    assert robot > 100.0 and len(guided) == 3 and not model.actuator_gear[guided, 2].any()
    found = ground[whole].sum(axis=1).mean() + cable + frame
    assert found == pytest.approx(weight + robot, abs=0.03 * (weight - cable))
    assert cable == pytest.approx(0.3 * weight, rel=0.03)


def test_no_torque_leaves_the_limits(walk):
    """Within its range a joint gets the law's torque at most, near its stops that of the soft wall too."""
    torque, wall = (
        np.array([getattr(joint, key) for joint in LIMITS.joints]) for key in ("torque_nm", "protective_nm")
    )
    low, high = (
        np.array(
            [getattr(j, f"angle_{end}_rad") + sign * getattr(j, f"wall_{side}_rad") for j in LIMITS.joints]
        )
        for end, side, sign in (("min", "low", 1.0), ("max", "high", -1.0))
    )
    rated = np.tile(load_plant_config().drives.rated_nm, 2)
    angle = {t.seq: t.exo_angle_rad for t in walk.truth}
    found = walk.before(types.AppliedTorque)
    peaks = np.array([np.abs(a.applied_peak_nm) for a in found])
    angles = np.array([angle[a.seq] for a in found])
    free = (angles > low + MARGIN_RAD) & (angles < high - MARGIN_RAD)
    assert free.any(axis=0).all()
    assert np.all(np.where(free, peaks, 0.0) <= torque)
    everything = np.array([np.abs(a.applied_peak_nm) for a in walk.applied])
    assert np.all(everything <= np.minimum(torque + wall, rated))
    assert peaks.max() > 3.0, "a robot that does nothing keeps every limit"


def test_an_emergency_stop_in_swing_ends_damped(walk):
    k = walk.stop
    at = {t.seq: t for t in walk.truth}
    applied = {a.seq: a for a in walk.applied}
    assert at[k].ground_force_n[2] < 60.0, "not in swing"
    assert applied[k - 1].mode == types.Mode.TRAIN
    last = max(applied)
    assert all(applied[s].mode == types.Mode.DAMP for s in range(k, last + 1)), "not damped at once"
    # What is left after the drives' own slew brakes, or yields less than the noise of a sensor.
    power = np.array(
        [applied[s].applied_mean_nm @ at[s].exo_velocity_rad_s for s in range(k + 10, last) if s in at]
    )
    assert power.max() < 1.0
    belt = {e.seq: e.belt_speed_m_s for e in walk.ros[types.EnvironmentState]}
    after = [s for s in range(k, last) if s in belt]
    assert len(after) * PERIOD_S > 0.1
    for s in after:  # the servo lags behind its ramp by less than the margin
        assert belt[s] < max(0.0, belt[k] - LIMITS.belt.stop_m_s2 * (s - k) * PERIOD_S) + 0.03
    assert at[last].pelvis_position_m[2] > 0.7 * at[k].pelvis_position_m[2], "the harness does not hold"


def test_ros_and_virtual_clock_are_one_session_to_the_bit(walk):
    assert len(walk.virtual[types.GaitEvent]) > 10, "a session without steps proves nothing"
    for cls in EXACT:
        mine, theirs = walk.ros[cls], walk.virtual[cls]
        last = min(mine[-1].seq, theirs[-1].seq)
        mine, theirs = ([v for v in items if v.seq <= last] for items in (mine, theirs))
        assert cls is types.GaitEvent or cls is types.StepMetrics or last * PERIOD_S > ALIKE_S - 1.0, cls
        assert len(mine) == len(theirs), cls
        for a, b in zip(mine, theirs, strict=True):
            assert difference(a, b) is None, (cls.__name__, a.seq, difference(a, b))
