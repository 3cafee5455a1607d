"""The course of a session, told to a supervisor that obeys, refuses, or stops."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from exostride.errors import ConfigError, ExitCode
from exostride.paths import config_dir
from exostride.runtime.protocol import LONGEST_S, SessionPlan, limit_of, make_plan, parse_overrides
from exostride.runtime.session import LEAD, STRIDE, SessionComponent, verdict
from exostride.types import (
    AssistCommand,
    EnvironmentState,
    EventKind,
    ExoState,
    GaitEvent,
    SafetyState,
    SessionPhase,
    Signal,
    SupervisorState,
    TherapySettings,
)

S, P = SupervisorState, SessionPhase
T = 0.005
PATH = {
    (S.IDLE, S.HOMING): S.HOMING,
    (S.STAND, S.TRAIN): S.TRAIN,
    (S.STAND, S.IDLE): S.IDLE,
    (S.TRAIN, S.STAND): S.STOPPING,
}


class World:
    """A supervisor that obeys from ``effective_seq`` on, a belt, and a walker with one step a second."""

    def __init__(self, plan, belt=0.5):
        self.session = SessionComponent(plan, T)
        self.state, self.cause = S.IDLE, ""
        self.since = 0
        self.requests = []
        self.belt = belt
        self.speed = 0.0
        self.said = []
        self.metrics = []
        self.settings = []
        self.seq = 0
        self.force = None

    def tick(self):
        seq = self.seq
        self._supervise(seq)
        self.speed = self.belt if self.state == S.TRAIN else 0.0
        exo = ExoState(seq, seq * T, seq * T, available=int(Signal.CUFF | Signal.FOOT_LOAD))
        events = []
        if self.state == S.TRAIN and seq % 100 == 0:
            side = (seq // 100) % 2
            events.append(GaitEvent(seq, seq * T, seq * T, side, EventKind.HEEL_STRIKE))
        self.session.note(exo, EnvironmentState(seq, seq * T, belt_speed_m_s=self.speed), events)
        if seq % STRIDE == 0:
            out = self.session.step(seq, SafetyState(seq, seq * T, int(self.state), cause=self.cause))
            self.said.append(out.state)
            self.requests.append((out.state.effective_seq, S(out.state.requested_state)))
            self.metrics += out.metrics
            if out.settings is not None:
                self.settings.append((seq, out.settings))
        self.session.answer(AssistCommand(seq, seq * T))
        self.seq += 1

    def _supervise(self, seq):
        if self.force is not None:
            self.state, self.cause = self.force
            return
        wish = [state for start, state in self.requests if start <= seq]
        state = PATH.get((self.state, wish[-1]), self.state) if wish else self.state
        if self.state == S.HOMING and seq - self.since > 100:
            state = S.STAND
        if self.state == S.STOPPING and seq - self.since > 100:
            state = S.STAND
        if state != self.state:
            self.state, self.since = state, seq

    def run(self, seconds):
        for _ in range(round(seconds / T)):
            if self.session.done:
                break
            self.tick()
        return self

    def phases(self):
        found = []
        for said in self.said:
            if not found or found[-1] != said.phase:
                found.append(P(said.phase))
        return found


def plan(**changes):
    return SessionPlan(settings=TherapySettings(), **changes)


ORDINARY = [P.SETUP, P.HOMING, P.STANDING, P.TRAINING, P.STOPPING, P.FINISHED]


class TestCourse:
    def test_time_goal(self):
        world = World(plan(duration_s=5.0)).run(60.0)
        assert world.phases() == ORDINARY
        last = world.said[-1]
        assert world.session.done
        assert world.session.reached
        assert last.walking_s == pytest.approx(5.0, abs=(LEAD + 2 * STRIDE) * T)
        assert last.distance_m == pytest.approx(0.5 * last.walking_s)

    def test_step_goal(self):
        world = World(plan(goal_steps=6)).run(60.0)
        assert world.phases() == ORDINARY
        assert 6 <= world.said[-1].steps <= 7
        assert world.said[-1].goal_steps == 6

    def test_time_limit_ends_it_in_good_order(self):
        world = World(plan(limit_s=6.0)).run(60.0)
        assert world.phases() == ORDINARY
        assert not world.session.reached
        assert "session time of 6 s is over" in world.said[-1].message

    def test_time_limit_before_training(self):
        world = World(plan(limit_s=0.3)).run(60.0)
        assert world.phases()[-1] == P.FINISHED
        assert P.TRAINING not in world.phases()

    def test_requests_always_lie_ahead(self):
        world = World(plan(duration_s=2.0)).run(60.0)
        assert all(said.effective_seq == said.seq + LEAD for said in world.said)

    def test_supervisor_that_never_moves_is_given_up(self):
        world = World(plan(duration_s=2.0))
        world.force = (S.IDLE, "")
        world.run(60.0)
        assert world.said[-1].phase == P.ABORTED
        assert "HOMING not reached within 30 s" in world.said[-1].message
        assert verdict(world.said[-1], SafetyState(0, 0.0, S.IDLE)) == ExitCode.FAILED

    @pytest.mark.parametrize("stop", [S.SOFT_STOP, S.E_STOP, S.FAULT])
    def test_a_stop_aborts_and_waits_for_the_reaction(self, stop):
        world = World(plan(duration_s=30.0)).run(6.0)
        assert world.said[-1].phase == P.TRAINING
        world.force = (stop, "F22")
        for _ in range(STRIDE):
            world.tick()
        assert world.said[-1].phase == P.ABORTED
        assert world.said[-1].message == "safety stop: F22"
        assert world.said[-1].requested_state == S.IDLE
        world.speed = 0.0
        world.run(1.0)
        assert world.session.done == (stop != S.SOFT_STOP), "a soft stop is not over before FAULT"
        world.force = (S.FAULT, "F22")
        world.run(1.0)
        assert world.session.done
        assert verdict(world.said[-1], SafetyState(0, 0.0, S.FAULT)) == ExitCode.SAFETY_STOP

    def test_patients_own_stop_ends_the_session_orderly(self):
        world = World(plan(duration_s=30.0)).run(6.0)
        world.state, world.since = S.STOPPING, world.seq
        world.run(30.0)
        assert world.phases() == ORDINARY
        assert not world.session.reached

    @pytest.mark.parametrize("wait_s", [0.0, 0.1, 0.3])
    def test_a_self_test_ended_by_a_stop_button_ends_the_session_orderly(self, wait_s):
        world = World(plan(duration_s=30.0))
        while not world.said or world.said[-1].phase != P.HOMING:
            world.tick()
        world.run(wait_s)
        assert world.said[-1].phase == P.HOMING
        world.force = (S.IDLE, "")
        for _ in range(STRIDE):
            world.tick()
        last = world.said[-1]
        assert (last.phase, last.requested_state) == (P.STOPPING, S.IDLE)
        assert last.message == "self-test ended by a stop button"
        assert not world.session.done
        for _ in range(STRIDE):
            world.tick()
        assert world.session.done and not world.session.reached
        assert world.phases() == [P.SETUP, P.HOMING, P.STOPPING, P.FINISHED]
        assert (world.said[-1].requested_state, world.said[-1].message) == (S.IDLE, last.message)
        assert verdict(world.said[-1], SafetyState(0, 0.0, S.IDLE)) == ExitCode.OK

    def test_the_self_test_is_not_asked_for_again_after_that(self):
        world = World(plan(duration_s=30.0)).run(0.4)
        assert world.said[-1].phase == P.HOMING
        since = world.seq
        world.force = (S.IDLE, "")
        world.run(30.0)
        assert world.session.done
        wishes = {said.requested_state for said in world.said if said.seq >= since}
        assert wishes == {S.IDLE}

    def test_a_self_test_that_takes_its_time_is_none_that_was_ended(self):
        world = World(plan(duration_s=30.0))
        world.force = (S.HOMING, "")
        world.run(29.0)
        assert world.phases() == [P.HOMING]
        assert world.said[-1].requested_state == S.STAND
        world.run(3.0)
        assert world.phases()[-1] == P.ABORTED
        assert world.said[-1].message == "STAND not reached within 30 s"

    @pytest.mark.parametrize("safety", [None, S.HOMING, S.TRAIN, S.STOPPING])
    def test_only_a_supervisor_back_in_idle_has_ended_it(self, safety):
        session = SessionComponent(plan(duration_s=30.0), T)
        session.step(0, SafetyState(0, 0.0, S.HOMING))
        told = None if safety is None else SafetyState(STRIDE, STRIDE * T, safety)
        out = session.step(STRIDE, told)
        assert (out.state.phase, out.state.requested_state) == (P.HOMING, S.STAND)

    def test_a_patient_who_keeps_training_away_is_not_waited_for_for_ever(self):
        world = World(plan(duration_s=30.0, stand_s=1.0))
        world.force = (S.STAND, "")
        world.run(60.0)
        assert world.phases() == [P.STANDING, P.ABORTED]
        assert world.said[-1].message.startswith("TRAIN not reached within")
        assert world.said[-1].requested_state == S.IDLE


class TestOperator:
    def test_follows_requests_when_not_automatic(self):
        world = World(plan(automatic=False)).run(0.5)
        assert world.state == S.IDLE
        assert world.session.request(S.HOMING) == ""
        world.run(1.0)
        assert world.state == S.STAND
        assert world.said[-1].phase == P.STANDING

    def test_training_cant_be_asked_for_in_a_running_session(self):
        world = World(plan(duration_s=5.0)).run(0.5)
        assert "running" in world.session.request(S.TRAIN)

    def test_stand_ends_a_running_session(self):
        world = World(plan(duration_s=50.0)).run(8.0)
        assert world.session.request(S.STAND) == ""
        world.run(20.0)
        assert world.phases() == ORDINARY

    def test_a_stop_is_passed_on(self):
        world = World(plan(duration_s=50.0)).run(8.0)
        assert world.session.request(S.E_STOP) == ""
        world.run(0.2)
        assert world.said[-1].requested_state == S.E_STOP

    def test_a_stop_is_insisted_on_until_it_comes(self):
        world = World(plan(duration_s=50.0)).run(8.0)
        world.session.request(S.SOFT_STOP)
        world.run(5.0)
        assert world.said[-1].requested_state == S.SOFT_STOP
        assert world.said[-1].message == "SOFT_STOP asked for by the operator"
        world.run(10.0)
        assert world.said[-1].phase == P.ABORTED
        assert world.said[-1].message == "SOFT_STOP not reached within 10 s"
        world.force = (S.SOFT_STOP, "F38")
        world.run(0.2)
        assert world.said[-1].requested_state == S.IDLE

    def test_a_stronger_stop_is_passed_on_after_the_session_has_ended(self):
        world = World(plan(duration_s=50.0)).run(8.0)
        world.force = (S.SOFT_STOP, "F22")
        world.run(0.2)
        assert world.said[-1].phase == P.ABORTED
        assert world.session.request(S.E_STOP) == ""
        world.run(0.2)
        assert world.said[-1].requested_state == S.E_STOP
        world.force = (S.E_STOP, "F38")
        for _ in range(2 * STRIDE):
            world.tick()
        assert world.said[-1].requested_state == S.IDLE

    def test_a_new_session_does_not_begin_with_an_old_stop(self):
        world = World(plan(automatic=False)).run(0.5)
        world.session.start(plan(duration_s=2.0))
        world.force = (S.IDLE, "")
        world.run(1.0)
        world.session.request(S.E_STOP)
        for _ in range(round(25.0 / T)):
            world.tick()
        assert world.session.done
        assert world.session.start(plan(duration_s=2.0)) == ""
        world.tick()
        for _ in range(STRIDE):
            world.tick()
        assert world.said[-1].requested_state == S.HOMING

    def test_a_wish_does_not_come_true_again_after_a_reset(self):
        world = World(plan(automatic=False))
        world.session.request(S.HOMING)
        world.run(0.5)
        world.force = (S.FAULT, "F22")
        world.run(0.2)
        world.force = (S.IDLE, "")
        world.run(0.2)
        assert world.said[-1].requested_state == S.IDLE

    def test_start_runs_a_second_session(self):
        world = World(plan(automatic=False)).run(0.5)
        assert world.session.start(plan(duration_s=2.0)) == ""
        assert "already" in world.session.start(plan(duration_s=2.0))
        world.run(60.0)
        assert world.said[-1].phase == P.FINISHED
        assert world.said[-1].walking_s == pytest.approx(2.0, abs=0.2)


class TestSettings:
    def test_change_holds_from_an_announced_tick_ahead(self):
        world = World(plan(duration_s=30.0)).run(1.0)
        start = world.session.change_settings(replace(TherapySettings(), belt_speed_m_s=0.7))
        world.run(1.0)
        (said_at, settings), *_ = world.settings
        assert settings.belt_speed_m_s == 0.7
        assert settings.effective_seq == start >= said_at + LEAD

    def test_a_later_start_is_honoured(self):
        world = World(plan(duration_s=30.0)).run(1.0)
        assert world.session.change_settings(replace(TherapySettings(), effective_seq=9000)) == 9000

    def test_changes_of_the_protocol_come_with_walking_time(self):
        faster = replace(TherapySettings(), belt_speed_m_s=0.9)
        world = World(plan(duration_s=6.0, changes=((3.0, faster),))).run(60.0)
        (said_at, settings), *rest = world.settings
        assert not rest
        assert settings.belt_speed_m_s == 0.9
        walked = next(s.walking_s for s in world.said if s.seq == said_at)
        assert walked == pytest.approx(3.0, abs=2 * STRIDE * T)


class TestMetrics:
    def test_strides_are_measured(self):
        world = World(plan(duration_s=8.0)).run(60.0)
        assert len(world.metrics) >= 10
        for figures in world.metrics:
            assert figures.stride_time_s == pytest.approx(1.0)
            assert figures.step_time_s == pytest.approx(0.5)
            assert figures.cadence_steps_min == pytest.approx(120.0)
            np.testing.assert_array_equal(figures.range_rad, np.zeros(3))
        assert world.metrics[-1].stride_length_m == pytest.approx(0.5)
        assert world.metrics[-1].step_length_m == pytest.approx(0.25)
        assert {m.side for m in world.metrics} == {0, 1}


class TestProtocol:
    def write(self, tmp_path, text):
        path = tmp_path / "protocol.yaml"
        path.write_text(text)
        return path

    def test_the_shipped_protocol_is_valid(self):
        root = Path(__file__).parents[2]
        for path in sorted((root / "config" / "protocols").glob("*.yaml")):
            assert make_plan(path).settings.effective_seq == 0

    def test_overrides_win_over_protocol_and_changes(self, tmp_path):
        path = self.write(
            tmp_path,
            "name: x\nsettings: {belt_speed_m_s: 0.4}\nchanges:\n"
            "  - {after_s: 5, settings: {belt_speed_m_s: 0.6, unloading_percent: 10}}\n",
        )
        made = make_plan(path, {"belt_speed_m_s": 0.2})
        assert made.settings.belt_speed_m_s == 0.2
        assert made.changes[0][1].belt_speed_m_s == 0.2
        assert made.changes[0][1].unloading_percent == 10.0

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("settings: {}", "name: missing"),
            ("name: x\nspeed: 3", "speed: unknown key"),
            ("name: x\nsettings: {belt_speed_m_s: 9}", "belt_speed_m_s = 9: must be from 0 to 2 m/s"),
            ("name: x\nsettings: {belt: 9}", "belt: unknown setting"),
            (
                "name: x\nchanges: [{after_s: 5, settings: {}}, {after_s: 5, settings: {}}]",
                "changes.1.after_s = 5: must exceed 5 s",
            ),
            ("name: x\nduration_s: -1", "duration_s = -1"),
            ("name: [", "not valid YAML"),
        ],
    )
    def test_errors_name_the_place(self, tmp_path, text, message):
        with pytest.raises(ConfigError) as error:
            make_plan(self.write(tmp_path, text))
        assert message in str(error.value)
        assert str(tmp_path) in str(error.value)
        assert "\n" not in str(error.value)

    def test_overrides_as_text(self):
        text = "belt_speed_m_s=0.4 self_paced=true assistance=1,0.5,0 controller=impedance"
        assert parse_overrides(text) == {
            "belt_speed_m_s": 0.4,
            "self_paced": True,
            "assistance": [1, 0.5, 0],
            "controller": "impedance",
        }
        with pytest.raises(ConfigError, match="expected NAME=VALUE"):
            parse_overrides("belt_speed_m_s")


def test_a_session_lasts_as_asked_else_as_its_protocol():
    file = config_dir() / "protocols" / "hybrid.yaml"
    assert limit_of(12.0, file) == 12.0
    assert limit_of(0.0, None) == 0.0
    assert limit_of(None, None) == 60.0
    assert limit_of(None, file) == LONGEST_S > make_plan(file).duration_s


@pytest.mark.parametrize("controller", ["", "force_field"])
def test_the_laws_of_a_protocol_hold_unless_one_is_asked_for(controller):
    plan = make_plan(
        config_dir() / "protocols" / "hybrid.yaml", {"controller": controller} if controller else {}
    )
    laws = {settings.controller for _, settings in plan.changes} | {plan.settings.controller}
    assert laws == ({controller} if controller else {"impedance", "transparent"})
