"""Build description of the exostride package, for pip and for colcon (ament_python) alike."""

import sys

from setuptools import find_packages, setup

NODES = ("hardware", "gait_phase", "controller", "safety", "recorder", "session", "tf", "view")

console_scripts = ["exostride = exostride.cli:main"]
if {"install", "develop"} & set(sys.argv):
    # colcon installs scripts to <prefix>/lib/exostride, where ROS 2 looks for a package's executables.
    # pip installs them to bin, where names as plain as `recorder` have no business.
    console_scripts += [f"{name} = exostride.nodes.start:{name}" for name in NODES]

setup(
    name="exostride",
    version="0.1.0",
    description="An open ROS 2 stack for robotic gait training with a lower-limb exoskeleton",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=find_packages(include=["exostride", "exostride.*"]),
    package_data={
        "exostride": [
            *("py.typed", "**/*.jinja", "**/*.css", "**/*.svg", "**/*.json", "**/*.npz", "**/*.yaml"),
            *("**/*.xml", "**/*.po"),
        ]
    },
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/exostride"]),
        ("share/exostride", ["package.xml"]),
    ],
    zip_safe=False,
    install_requires=[
        "numpy",
        "scipy",
        "numba",
        "mujoco",
        "transforms3d",
        "pydantic>=2",
        "PyYAML",
        "typer",
        "rich",
        "xacro",
        "mcap",
        "mcap-ros2-support",
        "rosbags",
        "ezc3d",
        "matplotlib",
        "jinja2",
        "babel",
    ],
    extras_require={"pin": ["pin"], "pdf": ["weasyprint"]},
    entry_points={
        "console_scripts": console_scripts,
        # Chosen by name in YAML; any installed package may add its own.
        "exostride.phase_estimators": [
            "adaptive_oscillator = exostride.gait.phase.adaptive_oscillator:AdaptiveOscillator",
            "individual = exostride.gait.phase.individual:Individual",
            "default = exostride.gait.phase.default:default",
            "ekf = exostride.gait.phase.ekf:Ekf",
            "phase_variable = exostride.gait.phase.phase_variable:PhaseVariable",
            "time_based = exostride.gait.phase.time_based:TimeBased",
        ],
        "exostride.controllers": [
            "adaptive_rbf = exostride.control.adaptive_rbf:AdaptiveRbfController",
            "error_augmentation = exostride.control.challenge:ErrorAugmentationController",
            "error_based = exostride.control.error_based:ErrorBasedController",
            "foot_drop = exostride.control.foot_drop:FootDropController",
            "force_field = exostride.control.force_field:ForceFieldController",
            "guidance = exostride.control.guidance:GuidanceController",
            "impedance = exostride.control.impedance:ImpedanceController",
            "isometric_hold = exostride.control.isometric_hold:IsometricHold",
            "minimal = exostride.control.minimal:MinimalController",
            "passive_movement = exostride.control.passive_movement:PassiveMovement",
            "path_control = exostride.control.path_control:PathController",
            "position = exostride.control.guidance:PositionController",
            "range_of_motion = exostride.control.range_of_motion:RangeOfMotion",
            "resistance = exostride.control.challenge:ResistanceController",
            "subtasks = exostride.control.subtasks:SubtaskController",
            "transparent = exostride.control.transparent:TransparentController",
        ],
        "exostride.environment_laws": [
            "progressive = exostride.control.progressive:ProgressiveLaw",
            "self_paced = exostride.control.self_paced:SelfPacedLaw",
            "treadmill = exostride.control.treadmill:TreadmillLaw",
        ],
        "exostride.devices": [
            "simulated = exostride.hardware.simulated:SimulatedDevice",
            "gazebo = exostride.hardware.gazebo:GazeboDevice",
            "plant_process = exostride.hardware.plant_process:PlantProcessDevice",
            "replay = exostride.hardware.replay:ReplayDevice",
        ],
    },
)
