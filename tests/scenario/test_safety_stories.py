"""Stories of faults on a walking patient: what happens next, up to a body that is still held.

One walk is brought to its gait; each story runs in an exact copy of the process.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from exostride.bench.safety_cases import ROWS, Case
from exostride.bench.safety_rig import PERIOD_S, Rig, Walk, forked, judge, run_walk, state_of
from exostride.safety.faults import CATALOGUE
from exostride.safety.injection import parse
from exostride.types import Mode, SupervisorState

pytestmark = pytest.mark.slow
S = SupervisorState


@pytest.fixture(scope="module")
def walking() -> Rig:
    rig = Rig(Walk("unimpaired", "impedance", 1))
    problem = rig.reach("walking", settle_s=8.0)
    assert problem == ""
    return rig


def told(rig: Rig, text: str, seconds: float, before: Callable[[Rig], None] | None = None) -> dict[str, Any]:
    """Run a story and return what it left behind, tick by tick from the fault on."""
    injection = parse(text)
    rig.device.arm(injection)
    if before is not None:
        before(rig)
    began, states, modes, torque, power, pelvis, belt = -1, [], [], [], [], [], []
    for _ in range(round((seconds + 4.0) / PERIOD_S)):
        tick = rig.step()
        began = rig.device.began.get(injection, -1)
        if began < 0:
            continue
        true = tick.reading.truth
        assert true is not None
        states.append(int(state_of(tick).state))
        modes.append(int(tick.applied.mode))
        torque.append(np.abs(tick.applied.applied_peak_nm).tolist())
        power.append((tick.applied.applied_mean_nm * tick.reading.exo.velocity_rad_s).tolist())
        pelvis.append(float(true.pelvis_position_m[2]))
        belt.append(tick.reading.environment.belt_speed_m_s)
        if (tick.seq - began) * PERIOD_S >= seconds:
            break
    last = state_of(rig.last) if rig.last is not None else None
    assert last is not None
    return {
        "states": states, "modes": modes, "torque": torque, "power": power, "pelvis": pelvis, "belt": belt,
        "cause": last.cause, "latched": last.latched, "message": last.message,
    }  # fmt: skip


def story(rig: Rig, text: str, seconds: float = 5.0) -> dict[str, Any]:
    out = forked(partial(told, rig, text, seconds))
    assert "error" not in out, out
    assert out["states"], "the fault never began"
    return out


def held(out: dict[str, Any], rig: Rig) -> None:
    """The belt is at rest, and the pelvis has not gone down to the knees."""
    assert out["latched"] and out["states"][-1] == S.FAULT
    assert abs(out["belt"][-1]) < 0.03
    assert min(out["pelvis"]) > 0.7 * rig.simulated.plant.world.geometry.standing_height


def test_emergency_stop_that_bounces_stops_at_its_first_edge_and_never_resumes(walking: Rig) -> None:
    out = story(walking, "F20@stance:left,kind=bounce,duration=0.04")
    assert out["states"][0] == S.E_STOP and out["modes"][0] == Mode.DAMP
    assert set(out["states"]) == {S.E_STOP, S.FAULT} and set(out["modes"]) == {Mode.DAMP}
    assert out["cause"] == "F20"
    held(out, walking)


def pushed(rig: Rig, reduce_m: float) -> dict[str, Any]:
    """Push the walker sideways; the belt slows and the harness holds from a lean of ``reduce_m`` on."""
    limits = rig.limits.detect.body.model_copy(update={"xcom_reduce_m": reduce_m})
    vars(rig.component.detectors.balance)["_limits"] = limits
    rig.device.arm(parse("F23@stance:left,size=270"))
    lowest, lean, carried, acted = 9.0, 0.0, 0.0, -1
    for k in range(round(2.0 / PERIOD_S)):
        tick = rig.step()
        true = tick.reading.truth
        assert true is not None
        lowest = min(lowest, float(true.pelvis_position_m[2]))
        lean = max(lean, abs(float(true.com_position_m[1] + 0.31 * true.com_velocity_m_s[1])))
        carried = max(carried, tick.reading.environment.unloading_n)
        if acted < 0 and "F23" in state_of(tick).active_faults:
            acted = k
    return {"lowest": lowest, "lean": lean, "carried": carried, "acted": acted}


def test_belt_and_harness_act_before_the_fall(walking: Rig) -> None:
    """The same push: more than a tenth of a second earlier, more carried, less far over the edge."""
    late = forked(partial(pushed, walking, 9.0))
    early = forked(partial(pushed, walking, walking.limits.detect.body.xcom_reduce_m))
    assert 0 < early["acted"] < late["acted"] - 20
    assert early["carried"] > 1.2 * late["carried"]
    assert early["lean"] < late["lean"] - 0.01
    assert early["lowest"] >= late["lowest"] - 0.005


def test_controller_that_hangs_in_stance_leaves_the_leg_held(walking: Rig) -> None:
    out = story(walking, "F11@stance:left")
    assert out["modes"][2] == Mode.HOLD_STANCE
    assert out["states"][3] == S.SOFT_STOP and out["cause"] == "F11"
    held(out, walking)


def test_harness_that_fails_is_not_asked_to_lift(walking: Rig) -> None:
    out = story(walking, "F26@stance:right,kind=cable", 6.0)
    assert out["cause"] == "F26" and S.SOFT_STOP in out["states"][:11]
    assert out["latched"] and out["states"][-1] == S.FAULT
    assert out["modes"][-1] == Mode.STAND, "the legs stay locked"


def test_motor_that_runs_away_at_heel_strike_loses_its_power(walking: Rig) -> None:
    out = story(walking, "F18@stance:left:knee,size=70")
    assert S.E_STOP in out["states"][:4] and out["cause"] == "F18"
    knee, power = ([row[1] for row in out[name]] for name in ("torque", "power"))
    # The motor is gone within ten ticks; what is left is the brake, which takes power from the moving knee.
    assert max(knee[:4]) > 40.0 and max(knee[10:]) < 25.0
    assert max(power[10:]) < 0.5 < max(power[:4]), max(power[10:])
    assert min(power[10:]) < -5.0
    held(out, walking)


@pytest.mark.parametrize("text", ["F01@swing:right:knee", "F13@stance:left"])
def test_lost_sensor_and_lost_supervisor_leave_the_walker_held(walking: Rig, text: str) -> None:
    out = story(walking, text, 3.0)
    assert out["modes"][6] in (Mode.HOLD_STANCE, Mode.DAMP)
    assert min(out["pelvis"]) > 0.7 * walking.simulated.plant.world.geometry.standing_height


SAMPLE = ("F03", "F04", "F05", "F07", "F08", "F09", "F10", "F12", "F16", "F21", "F25", "F27", "F36", "F38")


def test_a_sample_of_the_matrix_passes(walking: Rig) -> None:
    failed = []
    for n, fault in enumerate(SAMPLE):
        row = ROWS[fault]
        case = Case(fault, row.targets[n % len(row.targets)], ("stance", "swing")[n % 2], 2)
        result = forked(partial(judge, walking, case))
        if not result.get("passed"):
            failed.append((case.key, result))
        else:
            assert result["from_symptom_periods"] <= CATALOGUE[fault].bound_ticks(PERIOD_S)
    assert failed == []


def test_standing_cases_and_homing_cases_pass() -> None:
    cases = [
        Case("F19", "left:knee", "homing", 0),
        Case("F01", "right:knee", "standing", 0),
        Case("F02", "left:ankle,kind=torque", "standing", 0),
        Case("F06", "left:hip", "standing", 0),
        Case("F18", "right:knee", "standing", 0),
        Case("F26", "left,kind=lift", "standing", 0),
    ]
    results = dict(run_walk(Walk("unimpaired", "impedance", 1), cases))
    assert [
        (c.key, r.get("why") or r.get("skipped")) for c, r in results.items() if not r.get("passed")
    ] == []
    assert len(results) == len(cases)
