"""What happens to the body: drags, trips, falls, balance that goes, and jerks of its own."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import pytest
from safety_faults import Inject, Now, env, exo, inject, put
from safety_world import PERIOD, World

from exostride.types import (
    Action,
    HarnessAction,
    Mode,
    SupervisorState,
)

S = SupervisorState


def drag(toe_n: float, ticks: int = 10**9) -> Inject:
    def scrape(world_: World, now: Now, k: int) -> Now:
        load = now["exo"].foot_load_n.copy()
        for side, offset in enumerate((0.0, 0.5)):
            if k < ticks and 0.65 < (world_.phase + offset) % 1.0 < 0.95 and side == 0:
                load[2 * side + 1] = toe_n + world_.rng.normal()
        now["exo"] = replace(now["exo"], foot_load_n=load)
        return now

    return scrape


def test_foot_drag_warns_then_slows_the_belt_then_stops(world: World) -> None:
    world.start(2.0)
    inject(world, drag(40.0))
    world.run(round(2.0 * world.stride_s / PERIOD))
    warned = [s for _, s, _ in world.history if s.action == Action.WARN]
    assert warned and all(s.active_faults == ("F24a",) and "left foot" in s.message for s in warned)
    world.run(round(5.0 * world.stride_s / PERIOD))
    reduced = [(p, s, o) for p, s, o in world.history if s.action == Action.REDUCE]
    assert reduced and all(p.scale == 1.0 for p, _, _ in reduced), "assistance is what a dragging foot needs"
    assert min(o.environment.belt_speed_m_s for _, _, o in reduced) < 0.55
    world.run(round(20.0 * world.stride_s / PERIOD), S.SOFT_STOP)
    assert world.safety.cause == "F24a"


def test_balance_that_goes_slows_the_belt_and_holds_the_harness_and_comes_back(world: World) -> None:
    world.start(2.0)
    before = world.history[-1]
    inject(world, exo(pelvis_velocity_m_s=put(1, lambda k: 0.8 * (k < 40))))
    world.run(40)
    permit, state, out = world.history[-1]
    assert (state.active_faults, state.action, state.latched) == (("F23",), Action.REDUCE, False)
    assert permit.scale == 1.0, "a walker who staggers needs all the support there is"
    assert before[0].harness_action == HarnessAction.UNLOAD
    assert permit.harness_action == out.environment.harness_action == HarnessAction.HOLD
    assert out.environment.belt_speed_m_s < 0.9 * before[2].environment.belt_speed_m_s
    world.run(400)
    assert world.safety.active_faults == ()
    assert world.history[-1][0].harness_action == HarnessAction.UNLOAD


@pytest.mark.parametrize("lifted", [False, True])
def test_a_fall_is_seen_in_a_soft_stop_until_the_harness_carries(world: World, lifted: bool) -> None:
    world.start(2.0)
    inject(world, exo(therapist_stop=True))
    world.run(20)
    assert world.safety.state == S.SOFT_STOP
    carried = {"harness_action": HarnessAction.LIFT, "harness_confirmed": lifted}
    both = exo(therapist_stop=True, pelvis_position_m=put(2, -0.2))
    inject(world, lambda w, now, k: env(**carried)(w, both(w, now, k), k))
    world.run(10)
    assert (world.safety.state == S.E_STOP) == (not lifted)
    assert ("F23" in world.safety.active_faults) == (not lifted)


def test_a_light_touch_is_no_drag(world: World) -> None:
    world.start(2.0)
    inject(world, drag(20.0))
    world.run(1500)
    assert world.safety.active_faults == ()


def test_a_foot_without_cells_is_felt_by_the_ground_on_it(world: World) -> None:
    world.start(2.0)

    def scrape(world_: World, now: Now, k: int) -> Now:
        force = now["exo"].foot_force_n.copy()
        if 0.8 < world_.phase < 0.9:
            force[2] = 40.0
        now["exo"] = replace(now["exo"], foot_force_n=force)
        return now

    inject(world, scrape)
    world.run(round(world.stride_s / PERIOD))
    assert {s.active_faults for _, s, _ in world.history if s.action == Action.WARN} == {("F24a",)}


def test_how_a_walker_saves_themselves_when_a_foot_is_caught_is_a_trip(world: World) -> None:
    """The same torque of the other leg is told as a spasm without a caught foot, or long after it."""
    told = {}
    for wait in (0, 20, 100, None):
        alike = deepcopy(world)
        alike.start(2.0)
        while not 0.80 < alike.phase < 0.81:
            alike.tick()
        if wait is not None:
            inject(alike, drag(40.0, ticks=4))
            alike.run(4 + wait)
        inject(alike, exo(cuff_torque_nm=put(4, 900.0)))
        alike.run(8)
        told[wait] = alike.safety.cause or alike.safety.active_faults
    assert told == {0: "F24b", 20: "F24b", 100: "F22", None: "F22"}


def test_rare_drags_are_forgotten(world: World) -> None:
    world.start(2.0)
    stride = round(world.stride_s / PERIOD)
    while not world.phase < 0.01:
        world.tick()

    def sometimes(world_: World, now: Now, k: int) -> Now:
        return drag(40.0)(world_, now, k) if (k // stride) % 4 == 0 else now

    inject(world, sometimes)
    world.run(16 * stride)
    assert {s.action for _, s, _ in world.history} == {Action.NONE, Action.WARN}


def test_a_walkers_own_jerks_are_learned(world: World) -> None:
    """A jerk at the same phase of every stride does not trip, once known or not; elsewhere it does."""
    world.start(1.0)

    def jerky(world_: World, now: Now, k: int) -> Now:
        if 0.40 < world_.phase < 0.44:
            return exo(cuff_torque_nm=put(1, 90.0))(world_, now, k)
        return now

    inject(world, jerky)
    world.run(round(14.0 * world.stride_s / PERIOD))
    assert world.safety.state == S.TRAIN and world.safety.active_faults == ()
    while not 0.10 < world.phase < 0.12:
        world.tick()
    inject(world, exo(cuff_torque_nm=put(1, 90.0)))
    world.run(8)
    assert world.safety.cause == "F22" and "knee left" in world.safety.message


def test_trip_is_told_from_drag_by_shank_and_trunk(world: World) -> None:
    world.start(2.0)
    while not 0.72 < world.phase < 0.75:
        world.tick()

    def block(world_: World, now: Now, k: int) -> Now:
        load, rate = now["exo"].foot_load_n.copy(), now["exo"].segment_rate_rad_s.copy()
        load[1] += 150.0
        rate[:2] *= max(0.0, 1.0 - 0.4 * (k + 1))
        gyro = now["exo"].pelvis_gyro_rad_s.copy()
        gyro[1] += 0.3 * (k + 1)
        now["exo"] = replace(now["exo"], foot_load_n=load, segment_rate_rad_s=rate, pelvis_gyro_rad_s=gyro)
        return now

    inject(world, block)
    world.run(20, S.SOFT_STOP)
    assert world.safety.cause == "F24b" and "left foot" in world.safety.message
    assert world.history[-1][2].mode == Mode.TRAIN, "swing torque is never dropped in a trip"
    assert world.history[-1][2].environment.belt_speed_m_s == 0.0
