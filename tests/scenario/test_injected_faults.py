"""Faults injected into the plant while its patient stands; the truth says what was true."""

from __future__ import annotations

import numpy as np
import pytest

from exostride.errors import ExitCode, InputError
from exostride.hardware.faulty import FaultyDevice
from exostride.hardware.simulated import SimulatedDevice
from exostride.runtime.assembly.hardware import make_hardware
from exostride.runtime.assembly.stack import StackConfig, safety_limits
from exostride.runtime.component import HardwareComponent, TickInputs
from exostride.runtime.session import STRIDE
from exostride.runtime.simulate import SimulationConfig, Tick, run
from exostride.safety.component import OperatorRequest, SafetyComponent
from exostride.safety.injection import parse
from exostride.types import AppliedTorque, Mode, SafetyState, SessionPhase, SupervisorState

S = SupervisorState
PERIOD = 0.005


class Stand:
    """A body that stands stiffly in the robot, brought to STAND, with faults to come."""

    def __init__(self, *faults: str) -> None:
        stack = StackConfig(rate_hz=200, lockstep=True, patient="stance", robot="exoskeleton")
        self.device = FaultyDevice(SimulatedDevice(), [parse(f) for f in faults], settle_s=0.2)
        self.device.configure({"patient": "stance"}, PERIOD)
        self.hardware: HardwareComponent = make_hardware(stack, self.device)
        self.safety = SafetyComponent(safety_limits(stack), PERIOD)
        self.applied: AppliedTorque | None = None
        self.states: list[SafetyState] = []
        self.bits: list[int] = []
        self.seq = 0

    def tick(self, *requests: OperatorRequest) -> SafetyState:
        reading = self.hardware.read(self.seq)
        permit, state, _ = self.safety.step(
            self.seq, reading.exo, reading.environment, self.applied, None, None, None, requests
        )
        self.applied = self.hardware.write(reading, TickInputs(permit=permit))
        assert reading.truth is not None
        self.states.append(state)
        self.bits.append(reading.truth.fault_bits)
        self.seq += 1
        return state

    def run(self, ticks: int) -> SafetyState:
        self.tick(OperatorRequest(state=int(S.HOMING)))
        for _ in range(ticks):
            self.tick()
        return self.states[-1]

    def ticks_to(self, fault: str) -> int:
        """Ticks from the first with the fault to the first in which the supervisor has stopped for it."""
        began = next(iter(self.device.began.values()))
        stopped = next(n for n, s in enumerate(self.states) if s.cause == fault)
        return stopped - began


def test_nothing_happens_without_a_fault() -> None:
    stand = Stand()
    assert stand.run(900).state == S.STAND
    assert {s.active_faults for s in stand.states} == {()}
    assert set(stand.bits) == {0}


@pytest.mark.parametrize(
    ("text", "fault", "bound", "state"),
    [
        ("F01@standing:right:knee", "F01", 3, S.FAULT),
        ("F03@standing:left:hip", "F03", 1, S.FAULT),
        ("F18@standing:left:knee,size=70", "F18", 3, S.FAULT),
        ("F20@standing,kind=bounce", "F20", 0, S.FAULT),
        ("F26@standing,kind=cable", "F26", 10, S.FAULT),
        ("F27@standing,kind=battery", "F27", 0, S.FAULT),
        ("F38@standing,kind=therapist", "F38", 0, S.FAULT),
    ],
)
def test_fault_while_standing_is_answered_in_time(text: str, fault: str, bound: int, state: S) -> None:
    stand = Stand(text)
    stand.run(1300)
    assert stand.states[-1].cause == fault
    assert stand.ticks_to(fault) <= bound
    assert stand.states[-1].latched
    began = next(iter(stand.device.began.values()))
    bit = 1 << (int(fault[1:3]) - 1)
    assert stand.bits[began] == bit and not any(stand.bits[:began])


def test_runaway_loses_its_power() -> None:
    stand = Stand("F18@standing:left:knee,size=70")
    stand.run(1300)
    assert stand.applied is not None and stand.applied.mode == Mode.DAMP
    assert abs(stand.applied.applied_mean_nm[1]) < 10.0


def test_reversed_drive_is_found_in_homing() -> None:
    stand = Stand("F19@any:right:ankle,start=0.1")
    stand.run(700)
    assert stand.states[-1].cause == "F19" and "ankle right" in stand.states[-1].message


def test_drives_damp_by_themselves_when_no_command_comes() -> None:
    stand = Stand("F10@standing,duration=0.5")
    stand.run(900)
    assert stand.states[-1].cause == "F27", "the bus is told first"
    assert any("F10" in s.active_faults for s in stand.states), "then the drives' own watchdog"


@pytest.mark.parametrize("kind", ["cell", "lift"])
def test_harness_parts_fail_and_mend(kind: str) -> None:
    stand = Stand(f"F26@standing,kind={kind},duration=0.1")
    stand.run(1000)
    harness = stand.device._device.plant.harness  # type: ignore[attr-defined]
    assert harness.load_cell_ok and harness.lift_ok


def test_forces_of_the_world_reach_the_body() -> None:
    calm, pushed = (
        Stand(),
        Stand("F23@standing,size=60", "F22@standing:left:knee", "F24a@standing", "F25@standing"),
    )
    calm.run(800)
    pushed.run(800)
    assert set(pushed.device.began) == {parse(f) for f in ("F23@standing,size=60", "F22@standing:left:knee",
                                                           "F24a@standing", "F25@standing")}  # fmt: skip
    assert max(pushed.bits) == (1 << 22) | (1 << 21) | (1 << 23) | (1 << 24)


def test_obstacle_needs_a_walker_but_may_stand_there() -> None:
    stand = Stand("F24b@any:left,start=4.0")
    stand.run(850)
    assert stand.device.began[parse("F24b@any:left,start=4.0")] == 800


def test_two_runs_are_identical() -> None:
    a, b = Stand("F22@standing:left:knee"), Stand("F22@standing:left:knee")
    a.run(760)
    b.run(760)
    assert a.states == b.states
    assert a.applied is not None and b.applied is not None
    np.testing.assert_array_equal(a.applied.applied_mean_nm, b.applied.applied_mean_nm)


class Dummy:
    """A device that is not the simulated one."""

    def finished(self) -> bool:
        return True

    def close(self) -> None:
        self.closed = True


def test_plant_faults_need_the_simulated_device() -> None:
    with pytest.raises(InputError, match="fault F22 acts in the physical world"):
        FaultyDevice(Dummy(), [parse("F22")])  # type: ignore[arg-type]
    wrapped = FaultyDevice(Dummy(), [parse("F01")])  # type: ignore[arg-type]
    assert wrapped.finished()
    wrapped.close()


@pytest.mark.parametrize("pressed_s", [0.3, 1.5])
def test_patient_who_ends_the_self_test_ends_the_session_and_nothing_has_moved(pressed_s: float) -> None:
    """Before the first test pulse and during one; the button is held for a tenth of a second."""
    ticks: list[Tick] = []
    fault = f"F38@any,kind=patient,start={pressed_s},duration=0.1"
    config = SimulationConfig(patient="stance", walking_s=5.0, duration_s=60.0, faults=(fault,))
    result = run(config, ticks.append)
    pressed = round(pressed_s / PERIOD)
    assert next(tick.seq for tick in ticks if tick.reading.exo.patient_stop) == pressed
    safety = [tick.safety for tick in ticks if tick.safety is not None]
    assert safety[pressed - 1].state == S.HOMING
    assert {state.state for state in safety[pressed:]} == {S.IDLE}
    assert {state.state for state in safety} == {S.IDLE, S.HOMING}
    assert not any(state.latched or state.active_faults for state in safety)
    assert {tick.applied.mode for tick in ticks[pressed:]} == {Mode.ZERO}
    assert result.exit_code == ExitCode.OK
    assert result.session.phase == SessionPhase.FINISHED and result.steps == 0
    assert result.session.message == "self-test ended by a stop button"
    assert result.ticks - pressed <= 3 * STRIDE, "nobody waits for anything"
    # A test pulse turns a joint by less than a degree; belt and harness were never asked to move.
    angle = np.array([tick.reading.exo.angle_rad for tick in ticks])
    assert np.abs(angle - angle[0]).max() < 0.03
    belt = [tick.reading.environment for tick in ticks]
    assert max(abs(one.belt_speed_m_s) for one in belt) < 0.03
    assert {one.belt_target_m_s for one in belt} == {0.0}
    assert {tick.permit.belt_limit_m_s for tick in ticks if tick.permit is not None} == {0.0}
