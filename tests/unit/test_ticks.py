"""The ticks of a session when what belongs to them is late, out of order, or lost for ever."""

from hypothesis import given
from hypothesis import strategies as st

from exostride.nodes.ticks import GAP, Ticks
from exostride.types import AppliedTorque

RAW = "raw"


def sent(seq, hung=False):
    """Return what the graph sends about one tick; a controller that hangs sends nothing."""
    applied = AppliedTorque(seq=seq, time_s=0.0, command_received=not hung)
    common = [("exo", seq, RAW), ("environment", seq, RAW)]
    return (
        [*common, ("applied", seq, applied)]
        if hung
        else [
            *common,
            ("phase", seq, RAW),
            ("command", seq, RAW),
            ("applied", seq, applied),
        ]
    )


def run(messages):
    """Give everything to the ticks; return those that became whole and those that were given up."""
    ticks, whole, lost = Ticks(), [], []
    for name, seq, value in messages:
        lost.extend(ticks.put(name, seq, value))
        whole.extend(ticks.whole())
    return whole, lost


def test_every_tick_is_handed_out_once_and_in_order():
    whole, lost = run([message for seq in range(200) for message in sent(seq)])
    assert whole == list(range(200))
    assert lost == []


def test_what_a_tick_needs_can_be_read_while_it_is_handed_out():
    ticks = Ticks()
    seen = []
    for seq in range(3):
        for name, tick, value in sent(seq):
            ticks.put(name, tick, (value, tick) if name == "command" else value)
            seen += [
                (whole, ticks.get("exo", whole), ticks.get("command", whole - 1)) for whole in ticks.whole()
            ]
    assert seen == [(0, RAW, None), (1, RAW, (RAW, 0)), (2, RAW, (RAW, 1))]


def test_ticks_without_a_command_are_whole_once_the_device_has_said_so():
    whole, lost = run([message for seq in range(300) for message in sent(seq, hung=seq >= 100)])
    assert whole == list(range(300))
    assert lost == []


def test_a_last_command_that_only_the_device_has_got_does_not_stop_the_session():
    """A controller hangs right after its message has reached one reader: nobody will send it again."""
    messages = [message for seq in range(300) for message in sent(seq, hung=seq > 100)]
    messages.remove(("command", 100, RAW))
    whole, lost = run(messages)
    assert lost == [101], "only what needs the lost command is left out"
    assert whole == [seq for seq in range(300) if seq != 101]


def test_a_lost_state_costs_its_own_tick_only():
    messages = [message for seq in range(300) for message in sent(seq)]
    messages.remove(("exo", 50, RAW))
    whole, lost = run(messages)
    assert lost == [50]
    assert whole == [seq for seq in range(300) if seq != 50]


def test_nothing_whole_in_reach_goes_on_with_the_newest():
    messages = [("exo", seq, RAW) for seq in range(GAP + 2)]
    assert run(messages) == ([], list(range(GAP + 1)))


@given(st.data())
def test_the_session_is_never_further_behind_than_the_gap(data):
    """Whatever is lost, the ticks go on, each once, in order, and all are accounted for."""
    last = 150
    messages = [message for seq in range(last) for message in sent(seq, hung=data.draw(st.booleans()))]
    gone = data.draw(st.sets(st.integers(0, len(messages) - 1), max_size=60))
    ticks, told, behind = Ticks(), [], 0
    for index, (name, seq, value) in enumerate(messages):
        if index in gone:
            continue
        told.extend(ticks.put(name, seq, value))
        told.extend(ticks.whole())
        if name == "exo":
            behind = max(behind, seq - len(told))
    assert told == list(range(len(told)))
    assert behind <= GAP
