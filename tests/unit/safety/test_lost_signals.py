"""Measurements that stop coming, come now and then, or that a device never had."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from safety_faults import exo, inject, looks
from safety_world import ALL, PERIOD, World, exo_state

from exostride.safety.detect_body import BalanceDetector
from exostride.safety.faults import Finding
from exostride.safety.limits import SafetyLimits
from exostride.types import Action, Signal, SupervisorState

S = SupervisorState


@pytest.mark.parametrize("group", [group for group in Signal if group != Signal.ESTOP_TEST])
def test_a_group_that_was_there_must_go_on_coming(world: World, group: Signal) -> None:
    world.start(2.0)
    inject(world, exo(available=ALL & ~int(group)))
    world.run(1)
    assert (world.safety.action, world.safety.active_faults) == (Action.WARN, ("F01",))
    world.run(1)
    assert world.safety.state == S.SOFT_STOP and world.safety.cause == "F01"
    words = {
        Signal.JOINT_ANGLE: "hip left",
        Signal.JOINT_TORQUE: "joint torque",
        Signal.CUFF: "cuffs",
        Signal.FOOT_LOAD: "foot load",
        Signal.FOOT_WRENCH: "foot force",
        Signal.PELVIS: "pelvis",
        Signal.SEGMENT: "segments",
    }
    assert words[group] in world.safety.message


def test_a_group_that_is_gone_for_a_tick_is_bridged(world: World) -> None:
    world.start(2.0)
    inject(world, exo(available=lambda v, k: ALL & ~int(Signal.PELVIS) if k == 0 else v))
    world.run(250)
    assert world.safety.state == S.TRAIN and world.safety.active_faults == ()


FLICKER = {
    "joint": exo(joint_valid=lambda v, k: 0b110111 if k % 7 == 0 else v),
    "foot": exo(foot_valid=lambda v, k: 0b01 if k % 7 == 0 else v),
    "cuffs": exo(available=lambda v, k: ALL & ~int(Signal.CUFF) if k % 7 == 0 else v),
    "spike at another": exo(
        joint_valid=lambda v, k: 0b110111 if k % 7 == 0 else v,
        angle_rad=lambda v, k: v + 0.5 * (np.arange(6) == 1) * (k == 14),
    ),
}


@pytest.mark.parametrize("name", FLICKER)
def test_samples_missing_again_and_again_make_the_robot_give_way(world: World, name: str) -> None:
    """Three within 20 ticks, as with spikes; each alone is bridged."""
    world.start(2.0)
    inject(world, FLICKER[name])
    world.run(14)
    assert world.safety.action == Action.WARN
    world.run(1)
    assert world.safety.action == Action.REDUCE and "F01" in world.safety.active_faults
    place = {"joint": "hip right", "foot": "foot right", "cuffs": "cuffs", "spike at another": "hip right"}
    assert place[name] in world.safety.message
    world.run(200)
    assert world.safety.state == S.TRAIN and world.history[-1][0].scale < 1.0
    world.fault = lambda w, now: now
    world.run(500)
    assert world.safety.active_faults == () and world.history[-1][0].scale == 1.0


def test_rare_gaps_only_warn(world: World) -> None:
    world.start(2.0)
    inject(world, exo(joint_valid=lambda v, k: 0b110111 if k % 10 == 0 else v))
    world.run(200)
    assert world.safety.state == S.TRAIN and world.safety.action == Action.WARN


def test_the_walking_height_outlasts_a_gap(limits: SafetyLimits) -> None:
    """A pelvis that comes back lower is compared with the height before it went."""
    detector, told = BalanceDetector(limits, PERIOD), []
    low = {"pelvis_position_m": np.array([0.0, 0.0, 0.95 - limits.detect.body.fall_drop_m - 0.05])}
    blind = {"available": ALL & ~int(Signal.PELVIS)}
    states: list[dict[str, Any]] = [{}, {}, {}, low, blind, blind, low, low]
    for snap in looks(limits, [exo_state(k, **change) for k, change in enumerate(states)]):
        found: list[Finding] = []
        detector.step(snap, found)
        told.append(bool(found))
    assert told == [False] * 6 + [True] * 2
