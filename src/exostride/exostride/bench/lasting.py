"""How long the virtual patient's walks last: with less and less guidance, with motor noise, over seeds.

``python -m exostride.bench.lasting`` walks the plan in use, alone and in the transparent robot, and prints
for every speed, guidance and noise the time until the fall of each seed's walk, or that it stayed up.
"""

from __future__ import annotations

import argparse
from typing import Final

from exostride.bench.transparent_drive import TransparentDrive
from exostride.bench.treadmill_run import TreadmillRun, with_guidance
from exostride.patient.profiles import default_plans, load_profile
from exostride.patient.virtual import VirtualPatient
from exostride.plant.config import load_plant_config
from exostride.plant.plant import Plant
from exostride.plant.world import RobotKind

PERIOD_S: Final = 0.005
SPEEDS_M_S: Final = (0.6, 1.0, 1.3)
GUIDANCE: Final = (1.0, 0.7, 0.5)
NOISE: Final = (0.0, 0.03)
ROBOTS: Final[tuple[RobotKind, ...]] = ("none", "exoskeleton")


def lasts(
    robot: RobotKind, speed_m_s: float, guidance: float, noise: float, seed: int, seconds: float
) -> float:
    """Return for how long an unimpaired walk from the middle of the gait stays up [s].

    ``guidance`` is the factor on the pelvis guidance, ``noise`` the motor noise as a part of the torque.
    """
    profile = load_profile("unimpaired").model_copy(update={"motor_noise": noise})
    alone, in_robot = default_plans()
    patient = VirtualPatient(profile, alone, PERIOD_S, seed, in_robot)
    plant = Plant(with_guidance(load_plant_config(), guidance), profile.body, patient, robot)
    run = TreadmillRun(plant, patient, slip=False)
    if robot == "exoskeleton":
        run.drive_with(TransparentDrive(profile.body, PERIOD_S))
    run.start_in_gait(speed_m_s)
    run.run(seconds, speed_m_s)
    return plant.time_s if run.fallen() else seconds


def main(arguments: list[str] | None = None) -> None:
    """Read the options, walk, and print a line for each speed, guidance and noise."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--speeds", type=float, nargs="+", default=SPEEDS_M_S, help="m/s")
    parser.add_argument("--robots", nargs="+", choices=ROBOTS, default=ROBOTS)
    parser.add_argument("--guidance", type=float, nargs="+", default=GUIDANCE, help="factors")
    parser.add_argument("--noise", type=float, nargs="+", default=NOISE, help="part of the torque")
    parser.add_argument("--seeds", type=int, default=3, help="walks of each case with noise")
    parser.add_argument("--seconds", type=float, default=60.0)
    o = parser.parse_args(arguments)
    for robot in o.robots:
        for speed in o.speeds:
            for guidance in o.guidance:
                for noise in o.noise:
                    seeds = range(o.seeds if noise > 0.0 else 1)
                    times = [lasts(robot, speed, guidance, noise, seed, o.seconds) for seed in seeds]
                    told = ", ".join("up" if t >= o.seconds else f"falls at {t:.0f} s" for t in times)
                    case = f"{robot:12s} {speed:4.2f} m/s  guidance {guidance:4.2f}  noise {noise:4.2f}"
                    print(f"{case}  {told}", flush=True)


if __name__ == "__main__":
    main()
