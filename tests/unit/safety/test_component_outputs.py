"""What the supervisor gives out: permit, state and audit, told in full and to the tick."""

from __future__ import annotations

from typing import Any

import pytest
from component_desk import Desk
from safety_world import PERIOD

from exostride.safety.audit import AuditEntry
from exostride.safety.component import OperatorRequest
from exostride.safety.faults import Finding
from exostride.safety.limits import SafetyLimits
from exostride.types import Action, HarnessAction, Mode, SafetyPermit, SafetyState, SupervisorState

S = SupervisorState
NONE, WARN, REDUCE, SOFT_STOP, E_STOP = Action
SPASM = Finding("F22", REDUCE, "left knee")
FALLS = Finding("F23", REDUCE, "forward")
DRAGS = Finding("F24a", REDUCE, "left")
LAGS = Finding("F17", REDUCE, "left knee")
HOT = Finding("F27", WARN, "battery")
SOFT = Finding("F11", SOFT_STOP, "joint commands")
STUMBLES = Finding("F24a", SOFT_STOP, "left")
BROKEN = Finding("F26", SOFT_STOP, "cable")
HARD = Finding("F20", E_STOP)


@pytest.fixture
def desk(limits: SafetyLimits) -> Desk:
    return Desk(limits)


def changed(limits: SafetyLimits, group: str, **values: Any) -> SafetyLimits:
    """Limits with other values in ``stops`` or ``belt``."""
    if group == "stops":
        stops = limits.detect.stops.model_copy(update=values)
        return limits.model_copy(update={"detect": limits.detect.model_copy(update={"stops": stops})})
    return limits.model_copy(update={group: getattr(limits, group).model_copy(update=values)})


class TestPermit:
    def test_in_full(self, desk: Desk) -> None:
        desk.tick()
        assert desk.permit == SafetyPermit(0, 0.0, Mode.ZERO, 1.0, 4, 0.0, HarnessAction.HOLD)
        desk.training()
        k = desk.seq
        assert desk.permit == SafetyPermit(
            k, k * PERIOD, Mode.TRAIN, 1.0, k + 4, pytest.approx(0.0025), HarnessAction.UNLOAD
        )
        assert type(desk.permit.mode) is int and type(desk.permit.harness_action) is int

    @pytest.mark.parametrize(("options", "holds"), [({}, 5), ({"paced": False}, 5), ({"paced": True}, 2)])
    def test_it_holds_longer_or_shorter_in_real_time(
        self, limits: SafetyLimits, options: dict[str, bool], holds: int
    ) -> None:
        desk = Desk(limits, 0.0125, **options)
        desk.run(3)
        assert desk.permit.expiry_seq == desk.seq + holds - 1
        assert desk.permit.time_s == desk.state.time_s == 2 * 0.0125

    def test_it_is_void_in_the_silence_of_the_self_test_alone(self, desk: Desk) -> None:
        desk.ask(OperatorRequest(state=S.HOMING))
        terms = [desk.permit.expiry_seq - desk.permit.seq]
        for _ in range(140):
            desk.tick()
            terms.append(desk.permit.expiry_seq - desk.permit.seq)
        assert desk.state.state == S.STAND
        silent = [i for i, term in enumerate(terms) if term != 4]
        assert {terms[i] for i in silent} == {-1}
        assert silent == list(range(silent[0], silent[0] + 8)), "five ticks of the permit and three more"

    def test_a_self_test_given_up_in_its_silence_ends_it(self, desk: Desk) -> None:
        desk.silent().ask(OperatorRequest(state=S.IDLE))
        assert desk.permit.mode == Mode.ZERO and desk.permit.expiry_seq == desk.seq + 4


class TestEffort:
    def scales(self, desk: Desk, ticks: int, *found: Finding) -> list[float]:
        out = []
        for _ in range(ticks):
            desk.tick(*found)
            out.append(desk.permit.scale)
        return out

    def test_it_falls_and_rises_at_its_rate(self, desk: Desk) -> None:
        desk.training().run(300)
        assert self.scales(desk, 3, SPASM) == pytest.approx([0.99, 0.98, 0.97])
        assert self.scales(desk, 60, SPASM)[45:] == pytest.approx([0.51] + 14 * [0.5])
        assert set(self.scales(desk, 199)) == {0.5}, "until the fault has cleared"
        assert self.scales(desk, 3) == pytest.approx([0.51, 0.52, 0.53])
        assert self.scales(desk, 60)[45:] == pytest.approx([0.99] + 14 * [1.0])

    def test_it_falls_from_the_whole_in_the_very_first_tick(self, desk: Desk) -> None:
        assert self.scales(desk, 2, SPASM) == pytest.approx([0.99, 0.98])

    @pytest.mark.parametrize(
        ("found", "goal"),
        [
            ((HOT,), 1.0),
            ((DRAGS,), 1.0),
            ((FALLS,), 1.0),
            ((Finding("F26", REDUCE),), 1.0),
            ((LAGS,), 0.5),
            ((HOT, LAGS), 0.5),
            ((DRAGS, LAGS), 0.5),
            ((LAGS, DRAGS), 0.5),
        ],
    )
    def test_which_faults_take_effort(self, desk: Desk, found: tuple[Finding, ...], goal: float) -> None:
        desk.training()
        assert self.scales(desk, 60, *found)[-1] == goal

    def test_support_fades_over_its_time(self, limits: SafetyLimits) -> None:
        desk = Desk(changed(limits, "stops", ramp_out_s=2.0)).training()
        desk.around.update(belt_speed_m_s=0.0, harness_action=HarnessAction.LIFT, harness_confirmed=True)
        assert self.scales(desk, 1, STUMBLES) == [1.0] and desk.permit.harness_action == HarnessAction.LIFT
        faded = self.scales(desk, 402)
        assert faded[:3] == pytest.approx([0.9975, 0.995, 0.9925])
        assert faded[398:400] == pytest.approx([0.0025, 0.0], abs=1e-9)
        assert desk.state.state == S.FAULT and desk.permit.mode == Mode.DAMP
        assert self.scales(desk, 5)[-1] == pytest.approx(0.0, abs=1e-9), "it does not come back"

    def test_a_stop_does_not_raise_it(self, desk: Desk) -> None:
        desk.training().run(60, SPASM)
        desk.tick(STUMBLES)
        assert set(self.scales(desk, 300)) == {0.5}
        assert desk.state.active_faults == ("F24a",)

    def test_a_stop_lowers_it_if_its_fault_takes_effort(self, desk: Desk) -> None:
        desk.training()
        assert self.scales(desk, 2, SOFT) == pytest.approx([0.99, 0.98])

    def test_legs_that_carry_alone_get_it_back(self, desk: Desk) -> None:
        desk.training().run(60, SPASM)
        desk.run(180)
        desk.tick(BROKEN)
        assert desk.run(30).active_faults == ("F26",)
        rising = self.scales(desk, 60)
        assert rising[0] > 0.5 and rising[-1] == 1.0


class TestHarness:
    @pytest.mark.parametrize(
        ("found", "action"),
        [
            ((FALLS,), HarnessAction.HOLD),
            ((FALLS, SPASM), HarnessAction.HOLD),
            ((SPASM, FALLS), HarnessAction.HOLD),
            ((SPASM,), HarnessAction.UNLOAD),
            ((Finding("F23", WARN),), HarnessAction.UNLOAD),
        ],
    )
    def test_a_body_that_sinks_is_held(
        self, desk: Desk, found: tuple[Finding, ...], action: HarnessAction
    ) -> None:
        desk.training().tick(*found)
        assert desk.permit.harness_action == action

    def test_holding_does_not_keep_it_from_lifting(self, desk: Desk) -> None:
        desk.training().around["belt_speed_m_s"] = 0.0
        desk.tick(SOFT, FALLS)
        assert desk.permit.harness_action == HarnessAction.LIFT


class TestBelt:
    def test_it_rises_at_its_rate_to_its_limit(self, limits: SafetyLimits) -> None:
        desk = Desk(changed(limits, "belt", speed_m_s=0.006))
        desk.homed()
        assert desk.permit.belt_limit_m_s == 0.0
        desk.training()
        given = [desk.permit.belt_limit_m_s]
        for _ in range(4):
            desk.tick()
            given.append(desk.permit.belt_limit_m_s)
        assert given == pytest.approx([0.0025, 0.005, 0.006, 0.006, 0.006])

    @pytest.mark.parametrize(
        ("speed", "limit"), [(0.5, 0.4), (0.2, 0.16), (0.1, 0.08), (0.05, 0.08), (-0.3, 0.08)]
    )
    @pytest.mark.parametrize("found", [(DRAGS,), (DRAGS, SPASM), (SPASM, DRAGS), (FALLS,)])
    def test_a_fault_slows_it_below_its_speed(
        self, desk: Desk, speed: float, limit: float, found: tuple[Finding, ...]
    ) -> None:
        desk.training().run(180)
        desk.around["belt_speed_m_s"] = speed
        desk.tick(*found)
        assert desk.permit.belt_limit_m_s == pytest.approx(limit)

    def test_slowing_does_not_raise_it(self, desk: Desk) -> None:
        desk.training().run(19)
        desk.tick(DRAGS)
        assert desk.permit.belt_limit_m_s == pytest.approx(0.05)

    @pytest.mark.parametrize(
        ("speed", "limit"), [(0.3, 0.297), (0.9, 0.497), (0.002, 0.0), (0.0, 0.0), (-0.3, 0.0)]
    )
    def test_stopping_lowers_it_from_what_the_belt_does(self, desk: Desk, speed: float, limit: float) -> None:
        desk.training().run(199)
        assert desk.permit.belt_limit_m_s == pytest.approx(0.5)
        desk.around["belt_speed_m_s"] = speed
        desk.ask(OperatorRequest(state=S.STOPPING))
        assert desk.state.state == S.STOPPING
        assert desk.permit.belt_limit_m_s == pytest.approx(limit)
        desk.tick()
        assert desk.permit.belt_limit_m_s == pytest.approx(max(0.0, limit - 0.003))

    @pytest.mark.parametrize("found", [SOFT, HARD, STUMBLES])
    def test_any_other_stop_takes_it_at_once(self, desk: Desk, found: Finding) -> None:
        desk.training().run(100)
        desk.tick(found)
        assert desk.permit.belt_limit_m_s == 0.0
        desk.tick()
        assert desk.permit.belt_limit_m_s == 0.0


class TestState:
    def test_nothing_is_wrong(self, desk: Desk) -> None:
        desk.run(3)
        assert desk.state == SafetyState(2, 2 * PERIOD, S.IDLE, NONE, False, "", (), "idle")
        assert desk.state.latched is False and type(desk.state.action) is int
        assert type(desk.state.state) is int

    def test_what_is_wrong_is_told_after_the_state(self, desk: Desk) -> None:
        desk.training().tick(SPASM, LAGS)
        k = desk.seq
        assert desk.state == SafetyState(
            k, k * PERIOD, S.TRAIN, REDUCE, False, "", ("F17", "F22"),
            "training; sudden muscle torque at left knee",
        )  # fmt: skip

    def test_a_soft_stop_tells_its_cause(self, desk: Desk) -> None:
        desk.training().tick(LAGS, SOFT)
        k = desk.seq
        words = "the controller is silent: joint commands"
        told = SafetyState(k, k * PERIOD, S.SOFT_STOP, SOFT_STOP, True, "F11", ("F11", "F17"), words)
        assert desk.state == told
        desk.tick()
        assert desk.state.action == SOFT_STOP and desk.state.message == words

    def test_an_emergency_stop_goes_on_as_one(self, desk: Desk) -> None:
        desk.training().tick(HARD)
        assert (desk.state.state, desk.state.action) == (S.E_STOP, E_STOP)
        desk.tick()
        assert (desk.state.state, desk.state.action) == (S.E_STOP, E_STOP)
        desk.around["belt_speed_m_s"] = 0.0
        desk.tick(HARD)
        assert (desk.state.state, desk.state.action) == (S.FAULT, E_STOP)
        desk.tick()
        assert (desk.state.state, desk.state.action) == (S.FAULT, SOFT_STOP)
        assert desk.state.latched is True


class TestMemory:
    CLEAR = 200

    def test_a_warning_clears_after_its_time(self, desk: Desk) -> None:
        desk.training().tick(HOT)
        desk.run(self.CLEAR - 1)
        assert desk.state.active_faults == ("F27",) and desk.state.action == WARN
        desk.tick()
        assert desk.state.active_faults == () and desk.state.action == NONE
        assert desk.state.message == "training"

    def test_one_tick_is_the_least(self, limits: SafetyLimits) -> None:
        desk = Desk(limits, 60.0)
        assert desk.tick(HOT).active_faults == ("F27",)
        assert desk.tick().active_faults == ()

    def test_each_clears_by_itself(self, desk: Desk) -> None:
        desk.training().tick(SPASM)
        desk.run(99)
        desk.tick(LAGS)
        assert desk.run(self.CLEAR - 100).active_faults == ("F17",)
        assert desk.state.action == REDUCE
        assert desk.state.message == "training; joint does not follow: left knee"

    @pytest.mark.parametrize(
        "found", [(Finding("F22", SOFT_STOP), SPASM), (SPASM, Finding("F22", SOFT_STOP))]
    )
    def test_the_stronger_of_one_tick_counts(self, desk: Desk, found: tuple[Finding, ...]) -> None:
        desk.training().tick(*found)
        assert desk.state.state == S.SOFT_STOP and desk.state.cause == "F22"

    def test_the_last_of_equals_is_named(self, desk: Desk) -> None:
        desk.training().tick(SPASM, SPASM._replace(where="right knee"))
        assert desk.state.message == "training; sudden muscle torque at right knee"

    def test_what_is_weaker_now_is_weaker(self, desk: Desk) -> None:
        desk.training().tick(Finding("F27", REDUCE, "battery"))
        desk.tick(HOT)
        assert desk.state.action == WARN
        assert desk.entries[0].detail["active"]["F27"]["level"] == "WARN"
        assert desk.permit.scale == pytest.approx(1.0), "effort comes back at once"

    @pytest.mark.parametrize("order", [1, -1])
    def test_the_worst_is_named(self, desk: Desk, order: int) -> None:
        found = (SPASM, HOT, LAGS, DRAGS)[::order]
        desk.training().tick(*found)
        assert desk.state.message == "training; sudden muscle torque at left knee"

    def test_in_a_stop_what_stopped_stays_and_the_rest_clears(self, desk: Desk) -> None:
        desk.training().tick(SOFT, LAGS, HOT)
        assert desk.run(self.CLEAR - 1).active_faults == ("F11", "F17", "F27")
        assert desk.run(1).active_faults == ("F11",)
        assert desk.run(self.CLEAR).active_faults == ("F11",)

    def test_what_is_past_stops_nothing_again(self, desk: Desk) -> None:
        """A reset counts from when the cause was last seen, not from when its memory fades."""
        desk.tick(HARD)
        desk.run(199)
        assert not desk.ask(OperatorRequest(reset=True))[0].accepted
        assert desk.ask(OperatorRequest(reset=True))[0].accepted


class TestAudit:
    def test_nothing_new_is_nothing_written(self, desk: Desk) -> None:
        desk.tick()
        assert desk.entries == ()
        desk.tick(SPASM)
        assert len(desk.entries) == 1
        desk.tick(SPASM)
        assert desk.entries == ()

    def test_a_change_of_state(self, desk: Desk) -> None:
        desk.tick()
        desk.wish = S.HOMING
        desk.tick()
        assert desk.entries == (
            AuditEntry(1, PERIOD, "transition", {
                "from": "IDLE", "to": "HOMING", "cause": "", "codes": [],
                "message": "self-test at low torque",
            }),
        )  # fmt: skip

    def test_a_stop_with_its_faults(self, desk: Desk) -> None:
        desk.training().tick(SOFT, SPASM)
        k, t = desk.seq, desk.seq * PERIOD
        assert desk.entries == (
            AuditEntry(k, t, "transition", {
                "from": "TRAIN", "to": "SOFT_STOP", "cause": "F11", "codes": ["CONTROLLER_LOST"],
                "message": "the controller is silent: joint commands",
            }),
            AuditEntry(k, t, "faults", {
                "active": {
                    "F11": {"code": "CONTROLLER_LOST", "level": "SOFT_STOP", "where": "joint commands"},
                    "F22": {"code": "SPASM", "level": "REDUCE", "where": "left knee"},
                },
                "action": "SOFT_STOP",
            }),
        )  # fmt: skip

    def test_faults_come_and_go(self, desk: Desk) -> None:
        desk.tick(HOT)
        battery = {"F27": {"code": "DEVICE", "level": "WARN", "where": "battery"}}
        assert desk.entries == (AuditEntry(0, 0.0, "faults", {"active": battery, "action": "WARN"}),)
        desk.run(199)
        assert desk.entries == ()
        desk.tick()
        gone = {"active": {}, "action": "NONE"}
        assert desk.entries == (AuditEntry(200, 200 * PERIOD, "faults", gone),)

    def test_the_same_faults_at_another_level(self, desk: Desk) -> None:
        desk.run(2, HOT)
        desk.tick(HOT._replace(action=REDUCE))
        assert [e.detail["action"] for e in desk.entries] == ["REDUCE"]

    def test_other_faults_at_the_same_level(self, desk: Desk) -> None:
        desk.run(2, SPASM)
        desk.tick(SPASM, LAGS)
        assert [sorted(e.detail["active"]) for e in desk.entries] == [["F17", "F22"]]

    def test_every_request_with_its_reply(self, desk: Desk) -> None:
        desk.tick()
        desk.ask(
            OperatorRequest(reset=True, operator_id="anna"),
            OperatorRequest(state=S.IDLE, operator_id="ben"),
            OperatorRequest(state=42),
        )
        rows = [
            {"what": "reset", "operator": "anna", "accepted": False, "reply": "nothing to reset"},
            {"what": "IDLE", "operator": "ben", "accepted": True, "reply": "already there"},
            {"what": "42", "operator": "", "accepted": False, "reply": "state 42 can't be asked for"},
        ]
        assert desk.entries == tuple(AuditEntry(1, PERIOD, "request", row) for row in rows)
        desk.tick()
        assert desk.entries == ()


class TestHardwareLost:
    def test_it_is_latched_and_written(self, desk: Desk) -> None:
        desk.training()
        k, t = desk.seq + 1, (desk.seq + 1) * PERIOD
        words = "the device stopped answering"
        state, entries = desk.component.hardware_lost(k)
        assert state == SafetyState(k, t, S.E_STOP, E_STOP, True, "F10", ("F10",), words)
        lost = {"code": "HARDWARE_LOST", "level": "E_STOP", "where": ""}
        change = {
            "from": "TRAIN",
            "to": "E_STOP",
            "cause": "F10",
            "codes": ["HARDWARE_LOST"],
            "message": words,
        }
        assert entries == (
            AuditEntry(k, t, "transition", change),
            AuditEntry(k, t, "faults", {"active": {"F10": lost}, "action": "E_STOP"}),
        )

    def test_before_anything_else(self, desk: Desk) -> None:
        state, entries = desk.component.hardware_lost(0)
        assert state.state == S.E_STOP and [e.kind for e in entries] == ["transition", "faults"]

    def test_in_a_stop_it_is_as_serious(self, desk: Desk) -> None:
        desk.training().around["belt_speed_m_s"] = 0.0
        desk.tick(HARD)
        state, entries = desk.component.hardware_lost(desk.seq + 1)
        assert (state.state, state.cause, state.action) == (S.FAULT, "F20", E_STOP)
        assert state.active_faults == ("F10", "F20") and [e.kind for e in entries] == ["faults"]

    def test_what_was_asked_just_before_is_not_written_twice(self, desk: Desk) -> None:
        desk.training().ask(OperatorRequest(state=S.TRAIN))
        _, entries = desk.component.hardware_lost(desk.seq + 1)
        assert [e.kind for e in entries] == ["transition", "faults"]
        assert desk.component.hardware_lost(desk.seq + 2)[1] == ()
