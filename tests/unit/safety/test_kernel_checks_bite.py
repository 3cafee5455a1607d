"""Each check of the kernel is needed: switched off, the fault it is there for is not answered any more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from unittest.mock import ANY

import kernel_answers as answer
import kernel_scenes as scene
import kernel_switches as off
import numpy as np
import pytest
from kernel_bench import Bench, belt_order, order, permit
from kernel_scenes import OPEN_A, OPEN_B, QUICK, SIGN, again, edges, late, moved, of, one, push, trained
from kernel_switches import NEVER
from safety_world import PERIOD, exo_state

from exostride.safety import belt, guard, intake, kernel, sources
from exostride.safety.faults import CATALOGUE
from exostride.safety.limits import SafetyLimits
from exostride.safety.tank import EnergyTank
from exostride.types import KernelOutput, Mode, Reason

R = Reason
DAMAGED = R.NOT_FINITE | R.FALLBACK
STALE = R.COMMAND_STALE | R.FALLBACK
EXPIRED = R.PERMIT_MISSING | R.FALLBACK
LOCKED = R.PERMIT_MODE | R.FALLBACK
BELT_STOP = R.ENVIRONMENT_LIMIT | R.FALLBACK
NAN = np.nan
SIX_NAN = np.full(6, NAN)
ANY_MODE = tuple(int(mode) for mode in Mode)


@dataclass(frozen=True)
class Row:
    """One check: the faults it is there for, how to switch it off, a scene, and the kernel's answer to it.

    ``scene`` returns the output of the tick in which the answer is due; ``told`` are reasons that stand in
    it. ``breaks`` says that without the check the kernel fails inside, and its last resort answers,
    differently; where that can't or is the check itself, the error comes out (``raises``).
    """

    name: str
    faults: str
    off: off.Off
    scene: Callable[[Bench], KernelOutput]
    answer: answer.Answer
    told: int = 0
    breaks: bool = False
    raises: type[Exception] | None = None


SAMPLES = (
    Row("missing", "F01", off.put(off.guard, _bridge=NEVER),
        lambda b: trained(b).run(2, exo={"joint_valid": 0b111101}), answer.cut_off(1), R.SAMPLE_MISSING),
    Row("missing once", "F01", off.put(off.guard, _bridge=1),
        lambda b: trained(b).tick(exo={"joint_valid": 0b111101}), answer.unmoved, R.SAMPLE_MISSING),
    Row("state of another tick", "F01 F07", off.ANY_TICK,
        lambda b: trained(b).run(2, exo=exo_state(3)), answer.cut_off(*range(6)), R.SAMPLE_MISSING),
    Row("state not finite", "F03", off.inside(intake, isfinite=lambda value: True),
        lambda b: trained(b).tick(exo={"cuff_torque_nm": SIX_NAN}), answer.damped, DAMAGED),
    Row("state of another shape", "F03", off.inside(intake, _LENGTHS=ANY),
        lambda b: trained(b).tick(exo={"motor_temperature_c": np.zeros(5)}), answer.damped, DAMAGED),
    Row("no state at all", "F03", off.put(off.guard, _read=intake.exo_values),
        lambda b: trained(b).tick(exo=None), answer.carefully_damped, DAMAGED, breaks=True),
    Row("spike of an angle", "F04", off.put(off.guard, _span=[NEVER] * 6),
        lambda b: scene.upright(b, 1, angle_rad=one(4, 0.8)), answer.unmoved, R.SAMPLE_REJECTED),
    Row("spike of a speed", "F04", off.put(off.guard, _kick=[NEVER] * 6),
        lambda b: scene.upright(b, 1, velocity_rad_s=one(4, 8.0)), answer.unmoved, R.SAMPLE_REJECTED),
    Row("jump", "F05", off.inside(guard, _PERSISTENT=NEVER),
        lambda b: scene.upright(b, 3, angle_rad=one(4, 0.8)), answer.cut_off(4), R.SAMPLE_REJECTED),
    Row("wrap", "F05", off.inside(guard, tau=NEVER),
        lambda b: scene.upright(b, 9, angle_rad=one(4, 2.0 * np.pi)), answer.unmoved),
)  # fmt: skip

MESSAGES = (
    Row("silent controller", "F08 F11", off.ANY_AGE,
        lambda b: trained(b).run(3, command=None), answer.held, STALE),
    Row("silent law of the belt", "F08 F11", off.put(off.belt_limits, max_age_ticks=NEVER),
        lambda b: trained(b).run(3, belt=None), answer.rests, R.ENVIRONMENT_STALE),
    Row("late order", "F08", off.put(off.inbox, _age_limit=NEVER),
        lambda b: late(b, "command", order), answer.refused, R.COMMAND_SEQUENCE),
    Row("late order for the belt", "F08", off.put(off.inbox, _environment_age_limit=NEVER),
        lambda b: late(b, "belt", belt_order), answer.refused, R.COMMAND_SEQUENCE),
    *(Row(f"order {which}", "F09", off.ANY_NUMBER,
          lambda b, before=before: again(b, "command", lambda k: order(k, -9.0), before),
          answer.trains_on(10.0), R.COMMAND_SEQUENCE)
      for which, before in (("twice", 1), ("out of order", 2), ("from the future", -1))),
    Row("order without a number", "F09", off.ANY_NUMBER,
        lambda b: again(b, "command", lambda k: replace(order(k, -9.0), seq=None)),
        answer.trains_on(10.0), R.COMMAND_SEQUENCE, raises=TypeError),
    Row("order for the belt out of order", "F09", off.ANY_NUMBER,
        lambda b: again(b, "belt", lambda k: belt_order(k, 1.5), 2), answer.belt_at(0.5), R.COMMAND_SEQUENCE),
    Row("permit out of order", "F09", off.ANY_NUMBER, scene.old_permit, answer.damped, R.COMMAND_SEQUENCE),
    Row("order not finite", "F03", off.ANY_ORDER,
        lambda b: again(b, "command", lambda k: order(k, NAN)), answer.damped, DAMAGED),
    Row("order of negative damping", "F03", off.ANY_ORDER,
        lambda b: again(b, "command", lambda k: order(k, damping_nms_rad=-np.ones(6))),
        answer.damped, DAMAGED),
    Row("order for the belt not finite", "F03", off.inside(belt, environment_order_ok=lambda command: True),
        lambda b: again(b, "belt", lambda k: belt_order(k, NAN)), answer.damped, DAMAGED),
    *(Row(f"permit with {name} {value}", "F03", off.ANY_PERMIT,
          lambda b, wrong={name: value}: again(b, "permit", lambda k: replace(permit(k), **wrong)),
          answer.damped, DAMAGED)
      for name, value in (("scale", NAN), ("scale", 2.0), ("mode", 7), ("belt_limit_m_s", NAN),
                          ("harness_action", 9))),
    Row("permit for too long", "F13", off.put(off.inbox, _longest=NEVER),
        lambda b: again(b, "permit", lambda k: permit(k, expiry_seq=k + 5)), answer.damped, DAMAGED),
    Row("silent supervisor", "F13", off.no_expiry,
        lambda b: trained(b).run(5, permit=None), answer.held, EXPIRED),
    Row("nothing comes in standing", "F16", off.no_expiry,
        lambda b: scene.cut(b, Mode.STAND), answer.held, EXPIRED),
    Row("nothing comes in training", "F16 F36", off.both(off.no_expiry, off.ANY_AGE),
        lambda b: scene.cut(trained(b), Mode.TRAIN), answer.held, EXPIRED),
    Row("nothing comes, and nobody is carried", "F13", off.inside(kernel, _SUPPORTING=ANY_MODE),
        lambda b: scene.cut(b, Mode.ZERO), answer.damped, EXPIRED),
)  # fmt: skip

STOPS = (
    Row("emergency stop", "F20", off.CLOSED_LINES,
        lambda b: trained(b).tick(exo={**OPEN_A, **OPEN_B}), answer.damped, R.FALLBACK),
    Row("line a cut", "F21", off.CLOSED_LINES,
        lambda b: trained(b).tick(exo=OPEN_A), answer.damped, R.FALLBACK),
    Row("line b cut", "F21", off.CLOSED_LINES,
        lambda b: trained(b).tick(exo=OPEN_B), answer.damped, R.FALLBACK),
    Row("joints are braked", "F20", off.put(off.itself, _damp=[0.0] * 6),
        lambda b: trained(b).tick(exo=OPEN_A), answer.damped, R.FALLBACK),
    Row("the belt rests", "F20", off.BELT_AS_IN_TRAINING,
        lambda b: trained(b).tick(exo=OPEN_A), answer.damped, R.FALLBACK),
    Row("released", "F20", off.no_lock, lambda b: scene.back(b, 1, exo=OPEN_A), answer.not_resumed, LOCKED),
    Row("supervisor back", "F13", off.no_lock,
        lambda b: scene.back(b, 5, permit=None), answer.not_resumed, LOCKED),
    Row("controller back", "F11", off.no_lock,
        lambda b: scene.back(b, 3, command=None), answer.not_resumed, LOCKED),
    Row("measurement back", "F03", off.no_lock,
        lambda b: scene.back(b, 1, exo={"cuff_torque_nm": SIX_NAN}), answer.not_resumed, LOCKED),
    Row("begun anew in training", "F10", off.put(off.itself, _locked=False),
        lambda b: b.tick(), answer.damped, LOCKED),
    Row("to hold is no acknowledgement", "F20", off.inside(kernel, _ACKNOWLEDGING=ANY_MODE),
        scene.back_after_holding, answer.not_resumed, LOCKED),
    Row("held for long enough", "F13", off.put(off.itself, _hold_ticks=NEVER),
        lambda b: scene.hold(b, b.kernel._limits.timing.hold_stance_s), answer.damped),
    Row("held on a belt that never rests", "F25", off.put(off.itself, _rolling_ticks=NEVER),
        lambda b: scene.hold(b, b.kernel._limits.detect.stops.belt_timeout_s, -0.05), answer.damped),
    Row("held while the belt moves", "F13", off.put(off.itself, _belt_rest=NEVER),
        lambda b: scene.hold(b, b.kernel._limits.timing.hold_stance_s, 0.1), answer.held),
    Row("error inside", "", off.no_last_resort,
        scene.broken_inside, answer.damped, DAMAGED, raises=ZeroDivisionError),
)  # fmt: skip

WINDOWS = (
    Row("motor runs away", "F18", off.put(off.itself, _compare=lambda measured: None),
        lambda b: trained(b).run(2, exo={"motor_torque_nm": one(1, 90.0)}), answer.no_power, R.RESIDUAL),
    Row("self-test is weak", "F19", off.inside(sources, _TEST_CAP=NEVER),
        scene.lean_in_homing, answer.within("homing_nm", 3.0), R.TORQUE_LIMIT),
    Row("torque", "F17", off.both(off.ANY_GAINS, off.every("_torque")),
        lambda b: push(b, 60, 200.0), answer.within("torque_nm"), R.TORQUE_LIMIT),
    Row("velocity", "F17", off.every("_fade_start"),
        lambda b: moved(b, 3, 10.0 * SIGN, SIGN * of(b, "velocity_rad_s")), answer.inward, R.VELOCITY_LIMIT),
    Row("power", "F17", off.every("_power"), scene.strong_hip, answer.power_limited, R.POWER_LIMIT),
    Row("slew", "F17", off.every("_slew"),
        lambda b: push(b, 1, 50.0), answer.within("slew_nm_s", PERIOD), R.SLEW_LIMIT),
    Row("change within 50 ms", "F17", off.every("_window"),
        lambda b: push(b, 10, 200.0), answer.within("window_nm"), R.WINDOW_LIMIT),
    Row("energy", "F18", off.inside(EnergyTank, offer_w=lambda tank: NEVER),
        lambda b: moved(b, 200, 200.0, QUICK), answer.not_empty, R.ENERGY_TANK),
    Row("energy is booked", "F18", off.inside(EnergyTank, account=lambda tank, *work: None),
        lambda b: moved(b, 200, 200.0, QUICK), answer.lives_on_its_budget, R.ENERGY_TANK),
    Row("nothing pushes into the wall", "F17", off.put(off.shapers, _wall_low=-NEVER, _wall_high=NEVER),
        lambda b: moved(b, 3, 10.0 * SIGN, 0.0, edges(b)), answer.inward, R.SOFT_WALL),
    Row("the wall pushes back", "F17", off.no_springs,
        lambda b: moved(b, 3, 10.0 * SIGN, 0.0, edges(b)), answer.pushed_back, R.SOFT_WALL),
    Row("virtual stop", "F18", off.put(off.walls, _start=NEVER),
        lambda b: moved(b, 1, 0.0, one(0, 4.9), one(0, 1.0)), answer.braked_in_time, R.VIRTUAL_STOP),
    Row("patient resists", "F06 F22", off.every("_comfort"),
        lambda b: scene.resist(b, 0.5), answer.within("torque_nm", 0.5), R.OPPOSED),
    Row("cuff presses too hard", "F06 F22", off.every("_comfort"),
        lambda b: scene.resist(b, 1.01), answer.nothing_upward, R.CUFF_LIMIT),
    Row("stiffness ordered", "F17", off.ANY_GAINS, lambda b: push(b, 1, 0.0, stiffness_nm_rad=1e4),
        answer.drives("stiffness_nm_rad", "stiffness_nm_rad"), R.TORQUE_LIMIT),
    Row("damping ordered", "F17", off.ANY_GAINS, lambda b: push(b, 1, 0.0, damping_nms_rad=1e4),
        answer.drives("damping_nms_rad", "damping_nms_rad"), R.TORQUE_LIMIT),
    Row("reference ordered", "F17", off.ANY_GAINS, lambda b: push(b, 1, 0.0, reference_rad=5.0 * SIGN),
        answer.drives("reference_rad", "angle_min_rad", "angle_max_rad"), R.SOFT_WALL),
    Row("speed ordered", "F17", off.ANY_GAINS,
        lambda b: push(b, 1, 0.0, reference_velocity_rad_s=99.0 * SIGN),
        answer.drives("reference_velocity_rad_s", "velocity_rad_s"), R.VELOCITY_LIMIT),
    Row("supervisor backs off", "F06 F17", off.FULL_EFFORT,
        lambda b: again(b, "permit", lambda k: permit(k, scale=0.5)), answer.trains_on(5.0), R.PERMIT_SCALE),
    Row("what is told has bounds", "F03", off.inside(kernel, _REQUEST_MAX=NEVER),
        lambda b: push(b, 1, 1e8), answer.told_in_bounds),
)  # fmt: skip

BELT = (
    Row("too fast", "F25", off.put(off.belt_limits, over_m_s=NEVER),
        lambda b: scene.roll(trained(b), 4, 0.7), answer.contactor_open, BELT_STOP),
    Row("backwards", "F25", off.put(off.belt_limits, reverse_m_s=NEVER),
        lambda b: scene.roll(trained(b), 4, -0.1), answer.contactor_open, BELT_STOP),
    Row("does not slow down", "F25", off.inside(belt, _SLOW_SHARE=0.0),
        lambda b: scene.roll(trained(b), 100, 0.5, mode=Mode.DAMP), answer.contactor_open, BELT_STOP),
    Row("was too fast", "F25", off.no_latch, scene.fast_belt_again, answer.contactor_open, BELT_STOP),
    Row("state not finite", "F03", off.ANY_ENVIRONMENT,
        lambda b: scene.around_it(b, guidance_torque_nm=NAN), answer.damped, DAMAGED),
    Row("guidance not finite", "F03", off.inside(belt, finite=lambda value, n: True),
        lambda b: scene.around_it(b, guidance_force_n=np.full(2, np.inf)), answer.damped, DAMAGED),
    Row("no state at all", "F03", off.ANY_ENVIRONMENT,
        lambda b: trained(b).tick(env="none"), answer.carefully_damped, DAMAGED, breaks=True),
    Row("order beyond the machine", "F25", off.put(off.belt_limits, speed_m_s=NEVER),
        lambda b: scene.tell_belt(b, 9.0, 9.0), answer.belt_at(2.0), R.ENVIRONMENT_LIMIT),
    Row("order beyond the permit", "F25", off.NO_BELT_LIMIT,
        lambda b: scene.tell_belt(b, 0.5, 0.2), answer.belt_at(0.2), R.ENVIRONMENT_LIMIT),
    Row("order backwards", "F25", off.BELT_AS_ORDERED,
        lambda b: scene.tell_belt(b, -1.0), answer.belt_at(0.0), R.ENVIRONMENT_LIMIT),
    Row("order of a steep ramp", "F25", off.put(off.belt_limits, acceleration_m_s2=NEVER),
        lambda b: scene.tell_belt(b, belt_acceleration_m_s2=9.0), answer.ramp(0.0, 0.5), R.ENVIRONMENT_LIMIT),
    Row("order to rest without a ramp", "F25", off.inside(belt, _LEAST_SHARE=0.0),
        lambda b: scene.tell_belt(b, 0.0, belt_acceleration_m_s2=0.0), answer.ramp(0.01, 0.5),
        R.ENVIRONMENT_LIMIT),
    Row("order of too much unloading", "F26", off.put(off.belt_limits, unloading_percent=NEVER),
        lambda b: scene.unload(b, 89.0, 500.0, 9), answer.unloads_at_most(90.0), R.ENVIRONMENT_LIMIT),
    Row("order of unloading at once", "F26", off.put(off.belt_limits, unloading_rate_percent_s=NEVER),
        lambda b: scene.unload(b, 12.0, 30.0, 1), answer.unloads_at_most(12.3)),
    Row("order to let the harness go", "F23", off.inside(belt, _MOVING=ANY_MODE),
        lambda b: trained(b).tick(mode=Mode.DAMP), answer.harness_held),
)  # fmt: skip

GROUPS = {"samples": SAMPLES, "messages": MESSAGES, "stops": STOPS, "windows": WINDOWS, "belt": BELT}
ROWS = [pytest.param(row, id=f"{group}: {row.name}") for group, rows in GROUPS.items() for row in rows]


@pytest.mark.parametrize("row", ROWS)
def test_a_check_answers_its_fault(bench: Bench, limits: SafetyLimits, row: Row) -> None:
    out = row.scene(bench)
    assert row.answer(out, limits)
    assert out.reason & row.told == row.told


@pytest.mark.parametrize("row", ROWS)
def test_without_it_the_fault_is_not_answered(
    bench: Bench, limits: SafetyLimits, row: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not because the switch broke the kernel, whose last resort would answer nearly everything."""
    broken: list[int] = []
    panic = bench.kernel._panic
    monkeypatch.setattr(bench.kernel, "_panic", lambda seq: broken.append(seq) or panic(seq))
    row.off(bench.kernel, monkeypatch)
    if row.raises is not None:
        with pytest.raises(row.raises):
            row.scene(bench)
        return
    assert not row.answer(row.scene(bench), limits)
    assert bool(broken) is row.breaks


@pytest.mark.parametrize("row", ROWS)
def test_without_it_all_else_is_as_before(
    bench: Bench, limits: SafetyLimits, row: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A switch that breaks more than its check would prove nothing."""
    row.off(bench.kernel, monkeypatch)
    out = trained(bench).tick()
    assert answer.trains_on(10.0)(out, limits) and out.reason == 0
    assert answer.belt_at(0.5)(out, limits) and not out.environment.belt_stop


def test_every_fault_of_the_kernel_and_every_reason_is_here() -> None:
    rows = [row for group in GROUPS.values() for row in group]
    seen = {fault for row in rows for fault in row.faults.split()}
    assert {fault for fault, spec in CATALOGUE.items() if "kernel" in spec.detector} <= seen <= set(CATALOGUE)
    told = {reason for reason in Reason for row in rows if reason & row.told}
    assert {reason.name for reason in set(Reason) - told} <= {"ESTOP_TEST_A", "ESTOP_TEST_B"}
