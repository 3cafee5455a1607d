"""What the graph may not do, tick by tick: commands, permits, the phase, session and recorder."""

from __future__ import annotations

from dataclasses import replace
from math import inf, nan
from typing import Any

import pytest
from safety_faults import looks
from safety_world import PERIOD, exo_state

from exostride.safety.detect_messages import AgeDetector, LinkDetector, PhaseDetector, damaged_messages
from exostride.safety.faults import Finding
from exostride.safety.limits import SafetyLimits
from exostride.safety.snapshot import Snapshot
from exostride.types import (
    Action,
    AppliedTorque,
    GaitPhase,
    GaitState,
    Reason,
    RecorderState,
    SessionState,
)

WARN, STOP = Action.WARN, Action.SOFT_STOP
SIDES = ("left", "right")


@pytest.fixture
def plain_tick(limits: SafetyLimits) -> Snapshot:
    (snap,) = looks(limits, [exo_state(1)])
    return snap


class Links:
    """Feeds a detector with the kernel's word on what it received."""

    def __init__(self, limits: SafetyLimits, snap: Snapshot) -> None:
        self.limits, self.snap = limits, snap
        self.messages = limits.detect.messages
        self.renew()

    def renew(self) -> None:
        self.detector = LinkDetector(self.limits)

    def tick(
        self,
        ages: tuple[int, int, int] = (0, 0, 0),
        reason: Reason | int = 0,
        void: bool = False,
        **changes: Any,
    ) -> list[Finding]:
        """One tick after messages of these ages: joint commands, belt commands, permits."""
        command, belt, permit = ages
        word = AppliedTorque(
            0,
            0.0,
            reason=int(reason),
            command_age_ticks=command,
            environment_age_ticks=belt,
            permit_age_ticks=permit,
        )
        found: list[Finding] = []
        self.detector.step(replace(self.snap, applied=word, **changes), void, found)
        return found


@pytest.fixture
def links(limits: SafetyLimits, plain_tick: Snapshot) -> Links:
    return Links(limits, plain_tick)


class TestOrder:
    REFUSED = Finding("F09", WARN, "commands")
    OFTEN = Finding("F09", STOP, "commands")

    def seen(self, links: Links, *refused: int, until: int) -> list[list[Finding]]:
        """What each tick says; ticks count from one in the middle of a session."""
        links.renew()
        return [
            links.tick(reason=Reason.COMMAND_SEQUENCE if n in refused else 0, seq=5000 + n)
            for n in range(until + 1)
        ]

    def test_each_refused_command_is_a_warning(self, links: Links) -> None:
        assert self.seen(links, 0, 2, until=3) == [[self.REFUSED], [], [self.REFUSED], []]

    def test_so_many_within_the_window_stop(self, links: Links) -> None:
        window, count = links.messages.wrong_window_ticks, links.messages.wrong_ticks
        found = self.seen(links, *range(count), until=window)
        assert found[: count - 1] == [[self.REFUSED]] * (count - 1)
        assert found[count - 1] == [self.REFUSED, self.OFTEN]
        assert found[count:window] == [[self.OFTEN]] * (window - count), "until the first is too long ago"
        assert found[window] == []

    def test_the_window_from_both_sides(self, links: Links) -> None:
        window, count = links.messages.wrong_window_ticks, links.messages.wrong_ticks
        for last, told in ((window - 1, [self.REFUSED, self.OFTEN]), (window, [self.REFUSED])):
            rest = range(last - count + 2, last + 1)
            assert self.seen(links, 0, *rest, until=last)[-1] == told

    def test_two_that_are_too_long_ago_are_forgotten_together(self, links: Links) -> None:
        window, count = links.messages.wrong_window_ticks, links.messages.wrong_ticks
        self.seen(links, 0, 1, until=1)
        for n in range(count - 1):
            found = links.tick(reason=Reason.COMMAND_SEQUENCE, seq=5000 + window + 1 + n)
        assert found == [self.REFUSED]


class TestWords:
    def test_nothing_is_said_without_the_kernels_word(self, links: Links) -> None:
        found: list[Finding] = []
        links.detector.step(replace(links.snap, applied=None), False, found)
        assert found == []

    def test_a_message_that_was_no_number(self, links: Links) -> None:
        """The kernel refuses a value often, and damps only for a message of its own."""
        both = Reason.NOT_FINITE | Reason.FALLBACK
        assert links.tick(reason=both) == [Finding("F03", STOP, "a message to the kernel")]
        assert links.tick(reason=Reason.NOT_FINITE) == links.tick(reason=Reason.FALLBACK) == []

    def test_a_permit_that_is_missing(self, links: Links) -> None:
        told = [Finding("F13", STOP)]
        assert links.tick(reason=Reason.PERMIT_MISSING, ticks_in_state=2) == told
        assert links.tick(reason=Reason.PERMIT_MISSING, ticks_in_state=1) == []
        assert links.tick(reason=Reason.PERMIT_MISSING, void=True) == [], "withheld on purpose"
        assert links.tick(reason=Reason.PERMIT_MODE) == []

    def test_a_permit_that_grows_old(self, links: Links) -> None:
        old = links.messages.permit_ticks
        told = [Finding("F13", STOP)]
        assert links.tick((0, 0, old - 1)) == []
        assert links.tick((0, 0, old)) == links.tick((0, 0, old + 9)) == told
        assert links.tick((0, 0, old), ticks_in_state=2) == told
        assert links.tick((0, 0, old), ticks_in_state=1) == []
        assert links.tick((0, 0, old), reason=Reason.PERMIT_MISSING) == told, "once"

    def test_everything_that_is_silent_is_no_lost_supervisor(self, links: Links) -> None:
        late, old = links.messages.late_ticks, links.messages.permit_ticks
        for ages, fault in (
            ((late, late, old), "F16"),
            ((late - 1, late, old), "F13"),
            ((late, late - 1, old), "F13"),
        ):
            links.renew()
            assert links.tick(ages, driven=False) == [Finding(fault, STOP)]


class TestSilence:
    JOINTS, BELT = "joint commands", "belt commands"

    def told(self, links: Links, *ages: tuple[int, int, int]) -> list[list[Finding]]:
        links.renew()
        return [links.tick(now) for now in ages]

    @pytest.mark.parametrize("which", [0, 1])
    def test_a_controller_that_has_fallen_silent(self, links: Links, which: int) -> None:
        words, last = (self.JOINTS, self.BELT)[which], links.messages.late_ticks
        for permit in (0, 1):
            ages = [(n, 0, permit * n) if which == 0 else (0, n, permit * n) for n in range(1, last + 1)]
            warned = [[Finding("F11", WARN, words)]] * (last - 1)
            assert self.told(links, *ages) == [*warned, [Finding("F11", STOP, words)]]

    @pytest.mark.parametrize("which", [0, 1])
    def test_a_controller_that_is_always_late(self, links: Links, which: int) -> None:
        words = (self.JOINTS, self.BELT)[which]
        late = (1, 0, 0) if which == 0 else (0, 1, 0)
        first, *rest = self.told(links, *[late] * 5)
        assert first == [Finding("F11", WARN, words)], "one that begins is not told from silence"
        assert rest == [[Finding("F08", WARN, words)]] + [[Finding("F08", STOP, words)]] * 3

    def test_the_one_that_has_lasted_longer_is_named(self, links: Links) -> None:
        assert self.told(links, (1, 1, 0))[-1] == [Finding("F11", WARN, self.JOINTS)]
        assert self.told(links, (0, 1, 0), (1, 2, 0))[-1] == [Finding("F11", WARN, self.BELT)]
        assert self.told(links, (1, 0, 0), (2, 1, 0))[-1] == [Finding("F11", WARN, self.JOINTS)]
        assert self.told(links, (0, 1, 0), (0, 2, 0), (1, 3, 0))[-1] == [Finding("F11", STOP, self.BELT)]
        assert self.told(links, (1, 0, 0), (1, 0, 0), (1, 1, 0))[-1] == [Finding("F08", STOP, self.JOINTS)]

    def test_one_that_came_is_forgotten(self, links: Links) -> None:
        found = self.told(links, (1, 0, 0), (2, 0, 0), (0, 0, 0), (1, 0, 0))
        assert found[2:] == [[], [Finding("F11", WARN, self.JOINTS)]]

    def test_all_together_are_an_overload(self, links: Links) -> None:
        found = self.told(links, *[(1, 1, 1)] * 4)
        assert found == [[Finding("F36", WARN)]] * 2 + [[Finding("F36", STOP)]] * 2

    def test_a_permit_alone_is_not_the_controllers(self, links: Links) -> None:
        assert self.told(links, *[(0, 0, 1)] * 4) == [[]] * 4

    def test_what_was_late_before_the_controller_drives_counts_from_then(self, links: Links) -> None:
        assert [links.tick((n, 0, 0), driven=False) for n in (1, 2)] == [[], []]
        assert links.tick((3, 0, 0)) == [Finding("F11", STOP, self.JOINTS)]


class Gait:
    """Feeds a detector with phases; a clock so slow that a walker advances by a quarter in a tick."""

    PERIOD = 0.25

    def __init__(self, limits: SafetyLimits, snap: Snapshot) -> None:
        messages = limits.detect.messages.model_copy(update={"phase_jump": 0.125})
        detect = limits.detect.model_copy(update={"messages": messages})
        self.limits, self.snap = limits.model_copy(update={"detect": detect}), snap
        self.renew()

    def renew(self) -> None:
        self.detector = PhaseDetector(self.limits, self.PERIOD)
        self.steady = 0.0

    def tick(
        self,
        phase: float | None,
        side: int = 0,
        state: GaitState = GaitState.WALKING,
        confidence: tuple[float, float] = (1.0, 1.0),
        **changes: Any,
    ) -> list[Finding]:
        """One tick with a phase of one leg, whose rate is 1 Hz; the other's is 0.5 Hz, and keeps to it."""
        self.steady = (self.steady + 0.5 * self.PERIOD) % 1.0
        message, gait = None, []
        if phase is not None:
            both, rates = [phase, self.steady], [1.0, 0.5]
            gait = [*both[:: 1 - 2 * side], *rates[:: 1 - 2 * side], 0.5, 0.5, *confidence]
            message = GaitPhase(0, changes.pop("time_s", 0.0), state=state)
        found: list[Finding] = []
        self.detector.step(replace(self.snap, phase=message, gait=gait, **changes), found)
        return found


@pytest.fixture
def gait(limits: SafetyLimits, plain_tick: Snapshot) -> Gait:
    return Gait(limits, plain_tick)


class TestPhase:
    SILENT = Finding("F12", STOP, "no message")
    DAMAGED = Finding("F12", STOP, "not a number")

    def jump(self, action: Action, side: int) -> list[Finding]:
        return [Finding("F12", action, f"phase of the {SIDES[side]} leg jumped")]

    def test_one_that_stays_away(self, gait: Gait) -> None:
        last = gait.limits.detect.messages.late_ticks
        assert [gait.tick(None) for _ in range(last + 1)] == [[]] * (last - 1) + [[self.SILENT]] * 2
        gait.tick(0.5)
        assert [gait.tick(None) for _ in range(last)] == [[]] * (last - 1) + [[self.SILENT]], "anew"

    def test_one_that_stays_away_while_nobody_needs_it(self, gait: Gait) -> None:
        last = gait.limits.detect.messages.late_ticks
        gait.tick(None)
        assert [gait.tick(None, driven=False) for _ in range(9)] == [[]] * 9
        assert [gait.tick(None) for _ in range(last)] == [[]] * (last - 1) + [[self.SILENT]]

    @pytest.mark.parametrize("change", [{"damaged": ("GaitPhase",)}, {"time_s": nan}, {"time_s": inf}])
    def test_one_that_is_no_number(self, gait: Gait, change: dict[str, Any]) -> None:
        assert gait.tick(0.25) == []
        assert gait.tick(0.5, **change) == [self.DAMAGED]
        assert gait.tick(0.5, driven=False, **change) == []
        assert gait.tick(0.5, damaged=("AssistCommand",)) == []

    @pytest.mark.parametrize("side", [0, 1])
    def test_a_jump_is_what_its_own_rate_and_no_heel_strike_explain(self, gait: Gait, side: int) -> None:
        """An eighth of a cycle beyond the quarter it advances; an eighth around the heel strike."""
        least = 2.0**-50
        for last, now, jumped in (
            (0.25, 0.625, False),
            (0.25, 0.625 + least, True),
            (0.25, 0.375, False),
            (0.25, 0.375 - least, True),
            (0.875, 0.25, False),
            (0.875, 0.25 + least, True),
            (0.5, 0.125, True),
            (0.5, 0.125 - least, False),
            (0.25, 0.875, True),
            (0.25, 0.875 + least, False),
        ):
            gait.renew()
            assert gait.tick(last, side) == []
            assert gait.tick(now, side) == (self.jump(WARN, side) if jumped else []), (last, now)

    @pytest.mark.parametrize("side", [0, 1])
    def test_a_jump_and_one_back_stop(self, gait: Gait, side: int) -> None:
        found = [gait.tick(phase, side) for phase in (0.25, 0.8125, 0.3125, 0.8125, 0.3125)]
        assert found == [[], self.jump(WARN, side), *[self.jump(STOP, side)] * 3]
        assert gait.tick(0.5, side, driven=False) == []
        assert [gait.tick(phase, side) for phase in (0.25, 0.8125)] == [[], self.jump(WARN, side)]

    def test_a_second_jump_stops_if_it_comes_soon(self, gait: Gait) -> None:
        window = gait.limits.detect.messages.wrong_window_ticks
        for later, action in ((window - 1, STOP), (window, WARN)):
            gait.renew()
            gait.tick(0.25, seq=5000)
            assert gait.tick(0.8125, seq=5001) == self.jump(WARN, 0)
            assert gait.tick(0.3125, seq=5001 + later) == self.jump(action, 0)
            assert gait.tick(0.8125, seq=5001 + later + window - 1) == self.jump(STOP, 0), "after the last"

    def test_both_legs_that_jump_together_do_so_once(self, gait: Gait) -> None:
        gait.tick(0.25)
        gait.steady = 0.5
        assert gait.tick(0.8125) == self.jump(WARN, 0) + self.jump(WARN, 1)

    def test_only_a_confident_phase_of_a_walker_jumps(self, gait: Gait) -> None:
        for change, jumped in (
            ({"confidence": (0.5, 0.5)}, True),
            ({"confidence": (0.49, 1.0)}, False),
            ({"confidence": (1.0, 0.49)}, False),
            ({"state": GaitState.STARTING}, False),
            ({"state": GaitState.STUMBLING}, False),
        ):
            gait.renew()
            gait.tick(0.25)
            assert gait.tick(0.75, **change) == (self.jump(WARN, 0) if jumped else []), change

    def test_it_is_compared_with_the_last_also_if_that_was_not_judged(self, gait: Gait) -> None:
        gait.tick(0.25, state=GaitState.STANDING)
        assert gait.tick(0.75) == self.jump(WARN, 0)

    @pytest.mark.parametrize(
        "between", [{"phase": None}, {"phase": 0.5, "time_s": nan}, {"phase": 0.5, "driven": False}]
    )
    def test_after_a_gap_there_is_nothing_to_compare_with(self, gait: Gait, between: dict[str, Any]) -> None:
        gait.tick(0.25)
        gait.tick(**between)
        assert gait.tick(0.75) == []


class TestAges:
    SESSION, RECORDER = Finding("F37", STOP), Finding("F14", WARN)
    SPACE, DROPPED = Finding("F28", WARN, "little space left"), Finding("F28", WARN, "messages were dropped")
    PLENTY = 10**12

    def told(self, detector: AgeDetector, snap: Snapshot, **changes: Any) -> list[Finding]:
        found: list[Finding] = []
        detector.step(replace(snap, **changes), found)
        return found

    def test_a_session_that_is_silent(self, limits: SafetyLimits, plain_tick: Snapshot) -> None:
        most, detector = round(limits.detect.messages.session_s / PERIOD), AgeDetector(limits, PERIOD)
        for age, driven, found in ((most, True, []), (most + 1, True, [self.SESSION]), (most + 1, False, [])):
            session = SessionState(1000, 5.0)
            assert self.told(detector, plain_tick, seq=1000 + age, session=session, driven=driven) == found
        assert self.told(detector, plain_tick, seq=9999) == [], "none has come yet"

    def test_a_recorder_that_is_silent(self, limits: SafetyLimits, plain_tick: Snapshot) -> None:
        most, detector = round(limits.detect.messages.recorder_s / PERIOD), AgeDetector(limits, PERIOD)
        for age, found in ((most - 1, []), (most, [self.RECORDER]), (most + 1, [self.RECORDER])):
            recorder = RecorderState(1000, 5.0, disk_free_bytes=self.PLENTY)
            assert self.told(detector, plain_tick, seq=1000 + age, recorder=recorder) == found

    def test_a_disk_that_is_nearly_full(self, limits: SafetyLimits, plain_tick: Snapshot) -> None:
        least, detector = int(limits.detect.messages.disk_bytes), AgeDetector(limits, PERIOD)
        for free, on, found in ((least, True, []), (least - 1, True, [self.SPACE]), (0, False, [])):
            recorder = RecorderState(1, 0.0, recording=on, disk_free_bytes=free)
            assert self.told(detector, plain_tick, recorder=recorder) == found

    def test_messages_that_were_dropped(self, limits: SafetyLimits, plain_tick: Snapshot) -> None:
        detector = AgeDetector(limits, PERIOD)
        states = [RecorderState(1, 0.0, dropped=n, disk_free_bytes=self.PLENTY) for n in (0, 1, 1, 3, 3)]
        found = [self.told(detector, plain_tick, recorder=state) for state in states]
        assert found == [[], [self.DROPPED], [], [self.DROPPED], []]

    def test_a_recorder_that_begins_again_counts_from_nothing(
        self, limits: SafetyLimits, plain_tick: Snapshot
    ) -> None:
        detector = AgeDetector(limits, PERIOD)
        states = [RecorderState(1, 0.0, dropped=n, disk_free_bytes=self.PLENTY) for n in (9, 0, 2, 2)]
        found = [self.told(detector, plain_tick, recorder=state) for state in states]
        assert found == [[self.DROPPED], [], [self.DROPPED], []]


class TestDamage:
    def told(self, snap: Snapshot, **changes: Any) -> list[Finding]:
        found: list[Finding] = []
        damaged_messages(replace(snap, **changes), found)
        return found

    @pytest.mark.parametrize(
        ("seq", "wish", "sound"),
        [
            (0, 0, True),
            (9, 7, True),
            (-1, 0, False),
            (1.5, 0, False),
            (0, -1, False),
            (0, 8, False),
            (0, nan, False),
            (0, None, False),
        ],
    )
    def test_a_session(self, plain_tick: Snapshot, seq: Any, wish: Any, sound: bool) -> None:
        session = SessionState(seq, 0.0, requested_state=wish)
        told = [] if sound else [Finding("F03", STOP, "SessionState")]
        assert self.told(plain_tick, session=session) == told

    def test_all_others_by_their_names(self, plain_tick: Snapshot) -> None:
        assert self.told(plain_tick) == []
        found = self.told(plain_tick, damaged=("AssistCommand", "GaitPhase", "AppliedTorque"))
        assert found == [Finding("F03", STOP, "AssistCommand"), Finding("F03", STOP, "AppliedTorque")]
