"""Cases of the safety bench: which fault at which target in which gait state, and when it is really there.

The truth predicate of a fault asks no detector: it looks at the simulation's truth, at what left the device,
and at what was injected, never at what safety made of it. Two faults have no other sign than what their
detectors look at (F17, a stuck torque sensor). Detection time counts from its first tick.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any, Final

import numpy as np

from exostride.conventions import JOINTS
from exostride.hardware.simulated import SimulatedDevice
from exostride.model.joints import joint_table
from exostride.runtime.graph import Tick
from exostride.safety.injection import INJECTABLE, Injection
from exostride.types import Action, Mode, Reason, Vector

HOMING = "homing"
STATES: Final = ("stance", "swing", "standing")
_SLIDING: Final = 0.7
"""Share of the load that friction is when a foot slides (the sole's coefficient is 0.9)."""
_SWING: Final = (0.8, 0.95)
"""Part of a walker's cycle in which a foot is meant to be in the air; slow ones leave the ground at 0.75."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What a truth predicate sees: this tick and the one before, the fault and its tick, the machine.

    ``alone_nm`` is what the walker's joints do in this tick of the same walk without the fault [N m], None
    when that is not known.
    """

    tick: Tick
    before: Tick
    injection: Injection
    k: int
    device: SimulatedDevice
    alone_nm: Vector | None = None


Truth = Callable[[Scene], bool]


def _injected(s: Scene) -> bool:
    return s.k >= 0


def _line(s: Scene) -> bool:
    """Return whether a line of the emergency stop is cut, or closed although the kernel opens it."""
    bit = {"stuck_a": Reason.ESTOP_TEST_A, "stuck_b": Reason.ESTOP_TEST_B}.get(s.injection.kind)
    return s.k >= 0 and (bit is None or bool(s.before.applied.reason & bit))


def _acting(s: Scene) -> bool:
    """Return whether the torque of the tick before had the fault in it."""
    return s.k >= 1


def _angle_error(limit_rad: float) -> Truth:
    def truth(s: Scene) -> bool:
        exo, true = s.tick.reading.exo, s.tick.reading.truth
        assert true is not None
        error = exo.angle_rad[s.injection.joint] - true.exo_angle_rad[s.injection.joint]
        return s.k >= 0 and abs(float(error)) > limit_rad

    return truth


def _stuck(s: Scene) -> bool:
    if s.k < 1:
        return False
    now, last, joint = s.tick.reading, s.before.reading, s.injection.joint
    if s.injection.kind == "torque":
        return bool(now.exo.joint_torque_nm[joint] == last.exo.joint_torque_nm[joint])
    return _angle_error(0.02)(s)


def _damaged(s: Scene) -> bool:
    exo, env, command = s.tick.reading.exo, s.tick.reading.environment, s.tick.command
    fields = [exo.angle_rad, exo.cuff_force_n, np.array([env.belt_speed_m_s])]
    if s.injection.kind == "command":
        return s.k >= 0 and command is not None
    return s.k >= 0 and not all(np.isfinite(f).all() for f in fields)


def _excess(s: Scene) -> bool:
    """Return whether what is asked and what is given are 25 N m apart."""
    a, joint = s.before.applied, s.injection.joint
    return s.k >= 1 and bool(abs(a.requested_nm[joint] - a.applied_mean_nm[joint]) > 25.0)


def _reversed(s: Scene) -> bool:
    """Return whether the motor turns against its order by what counts, friction of the gear taken off.

    What counts is 8 N m, in HOMING 0.6 of the test torque of 4 N m (ankle 3).
    """
    joint, a = s.injection.joint, s.before.applied
    least = (1.8 if joint % 3 == 2 else 2.4) if a.mode == Mode.HOMING else 8.0
    enough = least + joint_table()[JOINTS[joint]].friction_nm
    asked, given = float(a.requested_nm[joint]), float(a.applied_mean_nm[joint])
    return s.k >= 1 and asked * given < 0.0 and min(abs(asked), abs(given)) > enough


def _spasm(s: Scene) -> bool:
    """Return whether a spasm of more than 15 N m changes what its joint does by more than 15 N m.

    A cramp that the joint's other muscles balance, or that comes where they pull that way already, changes
    nothing that anything but EMG could see.
    """
    true = s.tick.reading.truth
    if true is None:
        return False
    spasm = np.abs(true.spasm_torque_nm) > 15.0
    if s.alone_nm is None:
        return bool(spasm.any())
    return bool((spasm & (np.abs(true.patient_torque_nm - s.alone_nm) > 15.0)).any())


def _falling(s: Scene) -> bool:
    """Return whether the pelvis is 0.12 m low, or the extrapolated centre of mass 0.30 m beside its place."""
    true = s.tick.reading.truth
    if true is None or s.k < 0:
        return False
    x, y, z = true.com_position_m.tolist()
    vx, vy, _ = true.com_velocity_m_s.tolist()
    pendulum = (max(z, 0.3) / 9.81) ** 0.5
    pelvis = true.pelvis_position_m
    low = bool(float(s.device.plant.world.geometry.standing_height) - float(pelvis[2]) > 0.12)
    return bool(low or abs(y + vy * pendulum) > 0.30 or abs(x + vx * pendulum) > 0.35)


def _sliding(s: Scene) -> bool:
    """Return whether a loaded foot slides forward in the walker's own swing: friction all but used up.

    It must do so for longer than one tick: a sole that touches the belt for 5 ms is not dragged.
    """
    return s.k >= 1 and _slides(s.tick, s.injection.side) and _slides(s.before, s.injection.side)


def _slides(tick: Tick, side: int) -> bool:
    true = tick.reading.truth
    if true is None or not _SWING[0] < float(true.phase[side]) < _SWING[1]:
        return False
    fx, _, fz = true.ground_force_n[3 * side : 3 * side + 3].tolist()
    return bool(fz > 25.0 and fx < -_SLIDING * fz)


def _blocked(s: Scene) -> bool:
    """Return whether the obstacle holds the foot with more than 60 N."""
    return s.k >= 0 and float(s.device.plant.data.xfrc_applied[:, 0].min()) < -60.0


def _belt_away(s: Scene) -> bool:
    speed, told = s.device.plant.belt_speed_m_s, s.tick.reading.environment.belt_target_m_s
    return s.k >= 0 and (speed > told + 0.15 or speed < -0.08)


def _report(s: Scene) -> bool:
    """Return whether a report of the recorder is due, the first that does not come or tells of the disk."""
    return s.k >= 0 and s.tick.seq % 200 == 0


@dataclass(frozen=True, slots=True)
class Row:
    """How one fault is tried and judged.

    ``targets`` are SIDE[:JOINT][,option...], ``homing`` those in the self-test; ``causes`` the ids under
    which the reaction may be reported; ``action`` the level that counts as the start of the reaction;
    ``last_s`` how long it may take to show after the symptom (beside the bound) before the case is given up,
    ``after_s`` how long the case is watched after the reaction, ``wait_s`` how long it waits for gait state
    and symptom.
    """

    targets: tuple[str, ...]
    truth: Truth
    causes: tuple[str, ...]
    action: Action = Action.SOFT_STOP
    states: tuple[str, ...] = STATES
    kernel: bool = False
    latched: bool = True
    last_s: float = 0.5
    after_s: float = 0.8
    wait_s: float = 4.0
    homing: tuple[str, ...] = ()


_JOINTS3 = ("left:hip", "right:knee", "left:ankle")
_WALK = ("stance", "swing")
_LEGS = ("left", "right")
_KINDS: Final = {
    "F02": ("left:knee", "right:hip", "left:ankle,kind=torque"),
    "F07": ("left", "left,kind=back", "right,size=0.5"),
    "F08": ("left", "left,size=3", "left,kind=environment"),
    "F09": ("left", "right", "left,kind=swap"),
    "F12": ("left", "left,kind=nan", "left,kind=jump"),
    "F20": ("left", "left,kind=a", "left,kind=bounce"),
    "F21": ("left", "left,kind=b", "right"),
    "F22": ("left:hip,size=80", "right:knee,size=60", "left:ankle,size=-60"),
    "F23": ("left", "right", "left,size=500"),
    "F24b": ("left", "right", "left,duration=0.4"),
    "F25": ("left", "left,size=-0.6", "left,size=1.0"),
    "F26": ("left", "left,kind=cell", "left,kind=lift"),
    "F27": ("left:hip", "left,kind=battery", "left,kind=bus"),
    "F36": ("left", "right", "left,duration=0.02"),
    "F38": ("left", "left,kind=therapist", "right"),
}
_STUCK = ("left,kind=stuck_a", "left,kind=stuck_b", "right,kind=stuck_b")
_ANY3 = ("left", "right", "left:hip")

ROWS: Final[dict[str, Row]] = {
    "F01": Row(("right:knee", "left,kind=foot", "left:ankle,kind=segment"), _injected, ("F01",), kernel=True),
    "F02": Row(_KINDS["F02"], _stuck, ("F02",)),
    "F03": Row(("left:hip", "right:knee,kind=cuff", "left,kind=command"), _damaged, ("F03",), kernel=True),
    "F04": Row(_JOINTS3, _angle_error(0.05), ("F04", "F05"), Action.WARN, kernel=True),
    "F05": Row(("left:hip", "right:knee", "left:ankle,size=-0.5"), _angle_error(0.05), ("F05", "F04"),
               Action.WARN),
    "F06": Row(_JOINTS3, _angle_error(0.14), ("F06",), Action.REDUCE, last_s=2.0, after_s=1.5,
               wait_s=5.0),
    "F07": Row(_KINDS["F07"], _injected, ("F07",)),
    "F08": Row(_KINDS["F08"], _injected, ("F08", "F09", "F11"), states=_WALK),
    "F09": Row(_KINDS["F09"], _injected, ("F09", "F08", "F11"), Action.WARN, states=_WALK, kernel=True),
    "F10": Row(_ANY3, _injected, ("F10", "F27", "F25", "F26")),
    "F11": Row(_ANY3, _injected, ("F11",), states=_WALK, kernel=True),
    "F12": Row(_KINDS["F12"], _injected, ("F12",), states=_WALK),
    "F13": Row(_ANY3, _injected, ("F13",), kernel=True, latched=False),
    "F14": Row(_ANY3, _report, ("F14",), Action.WARN, latched=False, last_s=2.5),
    "F16": Row(_ANY3, _injected, ("F16", "F36", "F13"), kernel=True),
    "F17": Row(_JOINTS3, _excess, ("F17", "F18"), Action.REDUCE, states=_WALK, after_s=2.0),
    "F18": Row(("left:hip", "right:knee", "left:ankle"), _acting, ("F18", "F19"), Action.E_STOP, kernel=True),
    "F19": Row(_JOINTS3, _reversed, ("F19", "F18"), Action.E_STOP, states=_WALK, wait_s=5.0, homing=_JOINTS3),
    "F20": Row(_KINDS["F20"], _injected, ("F20",), Action.E_STOP, kernel=True),
    "F21": Row(_KINDS["F21"], _line, ("F20", "F21"), Action.E_STOP, kernel=True, homing=_STUCK),
    "F22": Row(_KINDS["F22"], _spasm, ("F22", "F24b"), Action.REDUCE),
    # The reaction begins with the harness' hold and a slower belt; a stop before the fall is one, too.
    "F23": Row(_KINDS["F23"], _falling, ("F23", "F22", "F24b"), Action.REDUCE, last_s=1.0, after_s=1.2),
    "F24a": Row(("left", "right", "left,size=35"), _sliding, ("F24a", "F24b"), Action.WARN, states=("swing",),
                latched=False, last_s=3.0, wait_s=14.0),
    "F24b": Row(_KINDS["F24b"], _blocked, ("F24b", "F23", "F22"), states=("swing",), last_s=0.6),
    "F25": Row(_KINDS["F25"], _belt_away, ("F25",), last_s=1.0, kernel=True),
    "F26": Row(_KINDS["F26"], _injected, ("F26",)),
    "F27": Row(_KINDS["F27"], _injected, ("F27",), last_s=1.5),
    "F28": Row(_ANY3, _report, ("F28",), Action.WARN, latched=False, last_s=1.5),
    "F36": Row(_KINDS["F36"], _injected, ("F36", "F16", "F13", "F11"), states=_WALK, kernel=True),
    "F37": Row(_ANY3, _injected, ("F37",), states=_WALK, last_s=2.5),
    "F38": Row(_KINDS["F38"], _injected, ("F38", ""), states=_WALK),
}  # fmt: skip
"""Every fault that a session can have, by id."""


@dataclass(frozen=True, slots=True, order=True)
class Case:
    """One fault at one target in one gait state of one walk."""

    fault: str
    target: str
    state: str
    seed: int

    @property
    def text(self) -> str:
        """The fault as :func:`exostride.safety.injection.parse` reads it."""
        gait = "any" if self.state == HOMING else self.state
        return f"{self.fault}@{gait}:{self.target}"

    @property
    def key(self) -> str:
        """Its name in the results."""
        return f"{self.text}#{self.state}#{self.seed}"


def cases(seeds: int) -> Iterator[Case]:
    """Yield the whole matrix walk by walk, within a walk in a shuffled order: any part of it is a sample."""
    for seed in range(seeds):
        mine = [
            Case(fault, target, state, seed)
            for fault, row in ROWS.items()
            for state in (HOMING, *row.states)
            for target in (row.homing if state == HOMING else row.targets)
        ]
        Random(seed).shuffle(mine)
        yield from mine


def missing_rows() -> list[str]:
    """Return ids that can be injected but have no row."""
    return [fault for fault in INJECTABLE if fault not in ROWS]


def truth_words() -> dict[str, Any]:
    """Return, by fault, what its truth predicate is called, for the page."""
    return {fault: row.truth.__name__.strip("_") for fault, row in ROWS.items()}
