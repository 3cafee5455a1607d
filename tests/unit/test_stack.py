"""What all components of one stack agree on: the device's limits, tightened for the patient."""

import pytest

from exostride.errors import ConfigError, InputError
from exostride.paths import config_dir
from exostride.runtime.assembly.stack import (
    STANCE,
    StackConfig,
    configuration_files,
    patient_record,
    safety_limits,
)
from exostride.runtime.simulate import SimulationConfig, build
from exostride.safety.limits import load_limits


def profile(tmp_path, limits):
    path = tmp_path / "someone.yaml"
    path.write_text(f"name: someone\ndescription: d\nlimits: {limits}\n")
    return str(path)


def test_a_profile_tightens_the_limits_of_kernel_and_supervisor(tmp_path):
    patient = profile(tmp_path, "{joints: {knee_left: {angle_max_rad: 0.9}}}")
    limits = safety_limits(StackConfig(patient=patient))
    default = load_limits(config_dir() / "limits" / "default.yaml")
    assert limits.joints[1].angle_max_rad == 0.9
    assert limits.joints[4] == default.joints[4]
    assert safety_limits(StackConfig(patient=STANCE)) == default


def test_a_profile_cannot_loosen_a_limit(tmp_path):
    patient = profile(tmp_path, "{joints: {knee: {angle_max_rad: 2.0}}}")
    with pytest.raises(ConfigError, match=r"someone.*joints\.knee\.angle_max_rad"):
        safety_limits(StackConfig(patient=patient))
    with pytest.raises(ConfigError, match="angle_max_rad"):
        build(SimulationConfig(patient=patient))


def test_nobody_is_no_patient():
    with pytest.raises(InputError, match="unknown patient 'nobody'"):
        safety_limits(StackConfig(patient="nobody"))


def test_a_bag_holds_the_profile_without_names_and_the_files_that_were_read(tmp_path):
    patient = profile(tmp_path, "{belt: {speed_m_s: 0.8}}")
    record = patient_record(patient, "simulated")
    assert record["patient_id"] == "someone"
    assert record["limits"] == {"belt": {"speed_m_s": 0.8}}
    assert record["body"]["mass_kg"] > 0.0 and "left" in record
    assert not {"name", "description"} & set(record)
    assert patient_record(patient, "replay") == {"patient_id": "someone"}
    assert set(patient_record(STANCE, "simulated")) == {"patient_id", "body"}
    protocol = config_dir() / "protocols" / "hybrid.yaml"
    files = configuration_files(protocol)
    assert files["protocols/hybrid.yaml"] == protocol.read_bytes()
    assert {"limits/default.yaml", "nodes/controller.yaml", "nodes/gait_phase.yaml"} < set(files)
    with pytest.raises(InputError, match="nowhere"):
        configuration_files(tmp_path / "nowhere.yaml")
