"""Each check is needed: with its detector switched off, the fault it is there for goes unseen."""

from __future__ import annotations

import pytest
from safety_faults import CASES, Inject, exo, inject, put
from safety_world import World

from exostride.safety import detectors
from exostride.safety.belt import EnvironmentKernel
from exostride.types import SupervisorState

SEEN_BY = {
    "F01": "_samples",
    "F02": "_stuck",
    "F03": "_samples",
    "F04": "_samples",
    "F05": "_samples",
    "F06": "_drift",
    "F07": "_clock",
    "F08": "_links",
    "F09": "_links",
    "F10": "_device",
    "F11": "_links",
    "F12": "_phase",
    "F18": "_runaway",
    "F20": "_buttons",
    "F22": "_spasm",
    "F23": "balance",
    "F25": "_belt",
    "F26": "_harness",
    "F27": "_device",
    "F37": "_ages",
    "F38": "_buttons",
}
"""The detector that sees a fault in the supervisor."""


class Off:
    """A check that is switched off."""

    margin_m = 0.0
    caught = False
    away = ()

    def step(self, *arguments: object) -> None:
        pass


ONE_EACH = {case[0]: case for case in reversed(CASES)}
MORE = [c for c in CASES if c[1] in ("foot", "load cell", "cuff", "tilt")]


def test_every_fault_of_the_streams_has_its_check_named() -> None:
    assert {case[0] for case in CASES} <= set(SEEN_BY)


@pytest.mark.parametrize(
    ("fault", "name", "injection", "state", "ticks"),
    [*ONE_EACH.values(), *MORE],
    ids=[f"{c[0]}-{c[1]}" for c in [*ONE_EACH.values(), *MORE]],
)
def test_without_its_check_a_fault_is_missed(
    world: World, fault: str, name: str, injection: Inject, state: SupervisorState, ticks: int
) -> None:
    world.start(2.0)
    assert getattr(world.component.detectors, SEEN_BY[fault]) is not None
    setattr(world.component.detectors, SEEN_BY[fault], Off())
    inject(world, injection)
    world.run(ticks + 1, state)
    assert world.safety.state != state or world.safety.cause != fault


def test_without_its_check_a_damaged_environment_is_missed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.start(2.0)
    injection = next(case[2] for case in CASES if case[:2] == ("F03", "environment"))
    monkeypatch.setattr(EnvironmentKernel, "readable", staticmethod(lambda state: True))
    inject(world, injection)
    world.run(1)
    assert world.safety.cause != "F03"


def test_without_its_check_a_damaged_phase_is_missed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.start(2.0)
    injection = next(case[2] for case in CASES if case[:2] == ("F12", "not a number"))
    monkeypatch.setattr(detectors, "damaged_messages", lambda snap, found: None)
    world.component.detectors._phase = Off()  # type: ignore[assignment]
    inject(world, injection)
    world.run(1)
    assert world.safety.cause != "F12"


@pytest.mark.parametrize("on", [True, False])
def test_without_its_check_a_drag_is_missed(world: World, on: bool) -> None:
    world.start(2.0)
    if not on:
        world.component.detectors._foot = Off()  # type: ignore[assignment]
    while not 0.80 < world.phase < 0.81:
        world.tick()
    inject(world, exo(foot_force_n=put(2, 40.0)))
    world.run(8)
    assert (world.safety.active_faults == ("F24a",)) == on


@pytest.mark.parametrize("on", [True, False])
def test_without_its_check_a_law_gone_wrong_is_told_as_a_spasm(world: World, on: bool) -> None:
    world.start(2.0)
    if on:
        world.component.detectors._tracking.away = [False] * 3 + [True] * 3
        world.component.detectors._tracking.step = lambda *tick: None  # type: ignore[method-assign]
    else:
        world.component.detectors._tracking = Off()  # type: ignore[assignment]
    inject(world, exo(cuff_torque_nm=put(4, 900.0)))
    world.run(8)
    assert world.safety.cause == ("F17" if on else "F22")
