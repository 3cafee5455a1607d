"""A reset is possible once the cause of a stop is gone; what the kernel keeps shut till then is no cause."""

from __future__ import annotations

from typing import Any

import numpy as np
from safety_faults import exo, inject, looks, put
from safety_world import PERIOD, World, exo_state

from exostride.safety.component import OperatorRequest
from exostride.safety.detect_environment import BeltDetector
from exostride.safety.faults import Finding
from exostride.safety.limits import SafetyLimits
from exostride.types import Action, AppliedTorque, Mode, Reason, SupervisorState

S = SupervisorState


def reset(world: World) -> Any:
    world.requests = (OperatorRequest(reset=True, operator_id="anna"),)
    world.tick()
    return world.component.replies[-1]


def test_power_taken_by_the_kernel_can_be_had_again(world: World) -> None:
    world.start(2.0)
    inject(world, exo(motor_torque_nm=put(1, lambda k: 90.0 * (k < 4))))
    world.run(10)
    assert world.safety.state == S.E_STOP and world.safety.cause == "F18"
    world.run(1000)
    out = world.history[-1][2]
    assert world.safety.state == S.FAULT and out.drive.safe_off == 2 and out.reasons[1] & Reason.RESIDUAL
    assert reset(world).accepted
    world.run(5)
    assert world.safety.state == S.IDLE and world.history[-1][2].drive.safe_off == 0


def test_a_motor_that_still_pushes_is_not_reset(world: World) -> None:
    world.start(2.0)
    inject(world, exo(motor_torque_nm=put(1, 90.0)))
    world.run(1000)
    assert world.safety.state == S.FAULT and world.safety.cause == "F18"
    reply = reset(world)
    assert not reply.accepted and "(F18) is still present" in reply.message


def test_an_opened_contactor_can_be_closed_again(world: World) -> None:
    world.start(2.0)
    world.fault = lambda w, now: now
    world.belt = 1.2
    world.run(10)
    assert world.safety.state == S.SOFT_STOP and world.safety.cause == "F25"
    assert world.history[-1][2].environment.belt_stop
    world.run(2500)
    assert world.safety.state == S.FAULT and world.history[-1][2].environment.belt_stop
    assert reset(world).accepted
    world.run(5)
    assert world.safety.state == S.IDLE and not world.history[-1][2].environment.belt_stop


def test_the_contactor_is_told_as_it_opens(limits: SafetyLimits) -> None:
    opened = AppliedTorque(
        0, 0.0, reason=int(Reason.ENVIRONMENT_LIMIT | Reason.FALLBACK), mode=int(Mode.DAMP)
    )
    closed = AppliedTorque(0, 0.0, reasons=np.zeros(6, dtype=np.uint32))
    detector, told = BeltDetector(limits, PERIOD), []
    for applied in (closed, opened, None, opened, opened, closed, opened):
        (snap,) = looks(limits, [exo_state(1)], applied)
        found: list[Finding] = []
        detector.step(snap, 2.0, found)
        told.append(found)
    word = Finding("F25", Action.SOFT_STOP, "the kernel has opened its contactor")
    assert told == [[], [word], [], [], [], [], [word]]
