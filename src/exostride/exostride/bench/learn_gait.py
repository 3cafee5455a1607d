"""Make the virtual patient's gait plan from the published norms: motion, torques, balance, in this order.

``python -m exostride.bench.learn_gait --policy config/norms/gait_plan.yaml --out NEW.yaml``

runs :mod:`exostride.patient.fit.plan` for all speeds, then for every speed, alone and in the robot:
:mod:`exostride.bench.learn_walking` led by hands, :mod:`exostride.bench.learn_steps`, and the first again
without hands. Feedback gains are those of the file given with ``--policy``. Every case starts from the same
motion and knows nothing of the others, so the outcome does not depend on how many workers share the cases.
Seeds are fixed.
"""

from __future__ import annotations

import argparse
from multiprocessing import Pool
from pathlib import Path
from typing import Any

import numpy as np

from exostride.bench import learn_steps, learn_walking
from exostride.bench.learn_walking import Case
from exostride.bench.tune_walking import read_plan, write_plan
from exostride.conventions import GRAVITY_M_S2
from exostride.model.geometry import body_geometry
from exostride.patient.fit import plan as fit
from exostride.patient.gait_plan import GaitPlan, PlanFile, make_plan
from exostride.patient.profiles import load_profile

Learned = dict[str, Any]
MADE_BY = ("python -m exostride.bench.learn_gait --policy config/norms/gait_plan.yaml --out NEW.yaml",)


def _plans(content: dict[str, Any], where: Path) -> tuple[GaitPlan, GaitPlan]:
    raw = PlanFile.model_validate(content)
    return make_plan(raw, where, robot=False), make_plan(raw, where, robot=True)


def learn_case(task: tuple[Case, Path, int]) -> Learned:
    """Learn one case: torques led by hands, balance, torques alone; return what changes in its entry."""
    case, path, decisions = task
    content = read_plan(path)
    learn_walking.learn(content, [case], path)
    plans = _plans(content, path)
    law = learn_steps.learn(case, plans, decisions)
    item = entry_of(content, case)
    item["step_balance"] = learn_steps.entry(law)
    learn_walking.learn(content, [case], path, learn_walking.ALONE)
    return {k: item[k] for k in ("torque_free", "torque_load", "step_balance")}


def entry_of(content: dict[str, Any], case: Case) -> dict[str, Any]:
    """Return the part of a plan file's content that a case writes to."""
    leg_m = body_geometry(load_profile("unimpaired").body).leg_length
    froude = case.speed_m_s / float(np.sqrt(GRAVITY_M_S2 * leg_m))
    item: dict[str, Any] = min(content["speeds"], key=lambda s: abs(float(s["froude_speed"]) - froude))
    part: dict[str, Any] = item["in_robot"] if case.robot == "exoskeleton" else item
    return part


def main(arguments: list[str] | None = None) -> None:
    """Read the options and make the plan."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--policy", type=Path, required=True, help="plan file whose feedback gains to keep")
    parser.add_argument("--motion", type=Path, help="plan file with the motion, instead of finding it anew")
    parser.add_argument("--speeds", type=float, nargs="*", help="m/s; default: all of the plan")
    parser.add_argument("--decisions", type=int, default=learn_steps.DECISIONS)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument(
        "--robots", nargs="+", choices=("none", "exoskeleton"), default=["none", "exoskeleton"]
    )
    o = parser.parse_args(arguments)
    if o.motion is None:
        fit.main(["--out", str(o.out), "--policy", str(o.policy)])
    else:
        write_plan(read_plan(o.motion), o.out)
    content = read_plan(o.out)
    content["made_by"] = list(MADE_BY)
    cases = [
        Case(speed, 100.0 * unloading, robot)
        for robot in o.robots
        for speed, unloading, _ in fit.SPEEDS
        if o.speeds is None or speed in o.speeds
    ]
    motion = o.out.with_suffix(".motion.yaml")
    write_plan(content, motion)
    with Pool(o.workers, maxtasksperchild=1) as pool:
        tasks = [(case, motion, o.decisions) for case in cases]
        for case, learned in zip(cases, pool.imap(learn_case, tasks), strict=True):
            entry_of(content, case).update(learned)
            write_plan(content, o.out)
    motion.unlink()


if __name__ == "__main__":
    main()
