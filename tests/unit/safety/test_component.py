"""What the permit says while faults overlap, and what is seen while a stop keeps the controller."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from safety_faults import exo, inject, lose, phase, put
from safety_world import PERIOD, World

from exostride.safety.component import OperatorRequest
from exostride.safety.faults import Finding
from exostride.types import Action, HarnessAction, Mode, SupervisorState

S = SupervisorState
F22, F23, F24A = (Finding(fault, Action.REDUCE) for fault in ("F22", "F23", "F24a"))


def tell(world: World, findings: Callable[[int], list[Finding]]) -> None:
    """Let the detectors find more in each tick, by the ticks since now."""
    start, step = world.seq, world.component.detectors.step

    def more(seq: int, *rest: Any) -> Any:
        snap, found = step(seq, *rest)
        return snap, [*found, *findings(seq - start)]

    world.component.detectors.step = more  # type: ignore[method-assign]


def scales(world: World, ticks: int) -> list[float]:
    """Run and return the permits' scale."""
    world.run(ticks)
    return [permit.scale for permit, _, _ in world.history[-ticks:]]


class TestEffort:
    def test_a_fault_that_goes_on_into_the_stop_stays_reduced(self, world: World) -> None:
        world.start(2.0)
        inject(world, exo(cuff_force_n=put(slice(3, 6), 300.0)))
        world.run(200, S.SOFT_STOP)
        assert world.safety.cause == "F06" and world.history[-1][0].mode == Mode.TRAIN
        given = world.history[-1][0].scale
        assert given < 1.0
        after = scales(world, 100)
        assert world.history[-1][0].mode == Mode.TRAIN and "F06" in world.safety.active_faults
        assert max(after) <= given and after[-1] == world.limits.detect.stops.reduce_scale

    def test_a_spasm_stays_answered_under_the_therapists_stop(self, world: World) -> None:
        world.start(2.0)
        tell(world, lambda k: [F22, Finding("F38", Action.SOFT_STOP)] if k >= 60 else [F22])
        assert scales(world, 60)[-1] == 0.5
        assert set(scales(world, 100)) == {0.5} and world.safety.state == S.SOFT_STOP

    def test_it_does_not_come_back_in_a_stop_as_a_fault_clears(self, world: World) -> None:
        """A foot that drags slows the belt and takes no effort; the spasm before it has long cleared."""
        world.start(2.0)
        drags = Finding("F24a", Action.SOFT_STOP)
        tell(world, lambda k: [F22] if k < 60 else ([drags] if k < 400 else []))
        world.run(60)
        assert max(scales(world, 340)) == 0.5
        assert world.safety.latched and "F22" not in world.safety.active_faults

    def test_the_lock_of_legs_whose_harness_fails_comes_back(self, world: World) -> None:
        world.start(2.0)
        broken = Finding("F26", Action.SOFT_STOP, "lift")
        tell(world, lambda k: [Finding("F24a", Action.SOFT_STOP)] if k < 1 else [])
        while not 0.1 < world.history[-1][0].scale < 0.3:
            world.run(1)
        tell(world, lambda k: [broken])
        assert scales(world, 200)[-1] == 1.0
        assert world.safety.state == S.FAULT and world.history[-1][0].mode == Mode.STAND


class TestOverlap:
    @pytest.mark.parametrize("other", [F23, F24A])
    def test_each_fault_gets_its_answer(self, world: World, other: Finding) -> None:
        world.start(2.0)
        speed = world.belt
        tell(world, lambda k: [F22, other])
        world.run(100)
        permit = world.history[-1][0]
        assert world.safety.state == S.TRAIN
        assert permit.scale == 0.5 and permit.belt_limit_m_s < 0.8 * speed
        held = permit.harness_action == HarnessAction.HOLD
        assert held == (other is F23)

    def test_a_warning_takes_nothing(self, world: World) -> None:
        world.start(2.0)
        tell(world, lambda k: [Finding("F06", Action.WARN)])
        assert set(scales(world, 50)) == {1.0}


class TestSeenInAStop:
    """A therapist's stop leaves the legs to the controller until the belt rests."""

    def stopped(self, world: World, ticks: int) -> World:
        world.start(4.0)
        inject(world, exo(therapist_stop=lambda v, k: k == 0))
        world.run(ticks)
        assert world.safety.state == S.SOFT_STOP and world.history[-1][0].mode == Mode.TRAIN
        return world

    @pytest.mark.parametrize(
        ("fault", "injection"),
        [
            ("F22", exo(cuff_torque_nm=put(1, lambda k: min(50.0 * (k + 1), 250.0)))),
            ("F11", lose("command", "env_command", "command_prev")),
            ("F12", lose("phase_prev")),
            ("F12", phase(time_s=float("nan"))),
        ],
        ids=["spasm", "controller", "phase", "phase damaged"],
    )
    def test_what_follows_takes_the_legs_from_the_controller(
        self, world: World, fault: str, injection: Any
    ) -> None:
        self.stopped(world, 60)
        inject(world, injection)
        world.run(12)
        assert fault in world.safety.active_faults and world.safety.cause == "F38"
        assert world.history[-1][0].mode == Mode.HOLD_STANCE

    @pytest.mark.parametrize("stride_s", [0.9, 1.4, 2.2])
    def test_nothing_else_is_found_in_an_ordinary_one(self, world: World, stride_s: float) -> None:
        again = self.stopped(World(world.limits, stride_s=stride_s), 20)
        start = len(again.history)
        again.run(round(5.0 / PERIOD))
        assert again.safety.state == S.FAULT
        assert {s.active_faults for _, s, _ in again.history[start:]} == {("F38",)}
        assert again.history[start][0].mode == Mode.TRAIN


def test_both_feet_unloaded_let_locked_legs_go(world: World) -> None:
    """End to end: the harness never confirms, the legs stay locked, and only unloading opens the way."""
    world.start(1.0)

    def refuse(world_: World, now: Any, k: int) -> Any:
        world_.harness_ticks = 0
        spasm = exo(cuff_torque_nm=put(1, 250.0)) if k < 40 else exo()
        return spasm(world_, now, k)

    inject(world, refuse)
    world.run(2500, S.FAULT)
    world.run(300)
    assert world.safety.state == S.FAULT and world.history[-1][2].mode == Mode.STAND
    from_reset = reset(world)
    assert not from_reset.accepted and "take the load off both feet" in from_reset.message
    assert world.history[-1][2].mode == Mode.STAND
    inject(world, exo(foot_load_n=put(slice(0, 4), -500.0)))
    world.run(1)
    assert "damped" in reset(world).message
    assert world.history[-1][2].mode == Mode.DAMP and world.safety.state == S.FAULT
    world.run(round(world.limits.detect.stops.reset_clear_s / PERIOD))
    assert reset(world).accepted
    assert world.history[-1][2].mode == Mode.ZERO


def reset(world: World) -> Any:
    world.requests = (OperatorRequest(reset=True),)
    world.tick()
    return world.component.replies[-1]
