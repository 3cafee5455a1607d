"""The declarative catalogue of injected faults: what can be injected, where, when, for how long.

A fault is written ``ID[@GAIT[:SIDE[:JOINT]]][,start=S][,duration=S][,size=X][,kind=WORD]``, for example
``F22@swing:left:knee`` or ``F25,start=12,size=0.5``. ``GAIT`` is ``stance``, ``swing``, ``standing`` or
``any``: the fault begins at the first tick, at or after ``start`` seconds of control time, in which the
leg of ``SIDE`` is in that state. What acts on measurements is shaped here; the physical world is
:mod:`exostride.hardware.faulty`'s, messages and processes are :mod:`exostride.runtime.faults`'.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from math import inf, isnan, tau
from typing import Final

import numpy as np

from exostride.conventions import JOINT_KINDS, SIDES
from exostride.errors import InputError
from exostride.types import DeviceFault, DeviceReading, ExoState, Vector


class Gait(Enum):
    """State of the target leg in which a fault begins."""

    ANY = "any"
    STANCE = "stance"
    SWING = "swing"
    STANDING = "standing"


class Layer(Enum):
    """Where a fault acts: what is measured, the physical world, a message on its way, a whole process."""

    READING = "reading"
    PLANT = "plant"
    MESSAGE = "message"
    STAGE = "stage"


@dataclass(frozen=True, slots=True)
class InjectionSpec:
    """What can be injected under one id: layer, kinds (the first is the default), size, duration [s]."""

    fault: str
    layer: Layer
    kinds: tuple[str, ...]
    size: float
    duration_s: float
    unit: str
    words: str


_SPECS = (
    InjectionSpec("F01", Layer.READING, ("joint", "foot", "segment"), 0.0, inf, "-", "sample missing"),
    InjectionSpec("F02", Layer.READING, ("joint", "torque"), 0.0, inf, "-", "sensor repeats its last value"),
    InjectionSpec("F03", Layer.READING, ("angle", "cuff", "belt", "command"), 0.0, inf, "-", "not a number"),
    InjectionSpec("F04", Layer.READING, ("joint",), 0.5, inf, "rad", "a spike every fifth sample"),
    InjectionSpec("F05", Layer.READING, ("jump", "wrap"), 0.5, inf, "rad", "encoder jumps, or turns once"),
    InjectionSpec("F06", Layer.READING, ("joint",), 0.4, inf, "rad/s", "encoder drifts"),
    InjectionSpec("F07", Layer.READING, ("ahead", "back"), 0.1, 0.0, "s", "measurement clock jumps"),
    InjectionSpec(
        "F08",
        Layer.MESSAGE,
        ("command", "environment"),
        1.0,
        inf,
        "ticks",
        "messages come so late",
    ),
    InjectionSpec("F09", Layer.MESSAGE, ("repeat", "swap"), 0.0, inf, "-", "commands repeat, or swap places"),
    InjectionSpec(
        "F10", Layer.PLANT, ("link",), 0.0, inf, "-", "no command reaches drives, belt and harness"
    ),
    InjectionSpec("F11", Layer.STAGE, ("control",), 0.0, inf, "-", "controller silent"),
    InjectionSpec(
        "F12", Layer.STAGE, ("phase", "nan", "jump"), 0.4, inf, "cycle", "gait phase silent, or nonsense"
    ),
    InjectionSpec("F13", Layer.STAGE, ("safety",), 0.0, inf, "-", "supervisor silent"),
    InjectionSpec("F14", Layer.MESSAGE, ("recorder",), 0.0, inf, "-", "recorder silent"),
    InjectionSpec("F16", Layer.MESSAGE, ("network",), 0.0, inf, "-", "nothing reaches the hardware"),
    InjectionSpec("F17", Layer.MESSAGE, ("demand",), 120.0, inf, "N m", "a law asks for far too much"),
    InjectionSpec("F18", Layer.PLANT, ("drive",), 60.0, inf, "N m", "drive adds torque of its own"),
    InjectionSpec("F19", Layer.PLANT, ("drive",), -1.0, inf, "1", "drive's torque is scaled"),
    InjectionSpec("F20", Layer.READING, ("both", "a", "b", "bounce"), 0.0, inf, "-", "emergency stop"),
    InjectionSpec(
        "F21",
        Layer.READING,
        ("a", "b", "stuck_a", "stuck_b"),
        0.0,
        inf,
        "-",
        "one emergency stop line cut, or closed for ever",
    ),
    InjectionSpec("F22", Layer.PLANT, ("muscle",), 40.0, 0.6, "N m", "flexor spasm"),
    InjectionSpec("F23", Layer.PLANT, ("push",), 350.0, 0.3, "N", "push that throws the patient over"),
    InjectionSpec(
        "F24a", Layer.PLANT, ("ankle",), 25.0, inf, "N m", "foot hangs in swing by the calf's tone"
    ),
    InjectionSpec("F24b", Layer.PLANT, ("toe",), 0.0, 0.25, "-", "obstacle before the toe"),
    InjectionSpec("F25", Layer.PLANT, ("servo",), 0.6, inf, "m/s", "belt faster than told"),
    InjectionSpec("F26", Layer.PLANT, ("cable", "cell", "lift"), 0.0, inf, "-", "harness fails"),
    InjectionSpec(
        "F27", Layer.READING, ("hot", "battery", "bus"), 0.0, inf, "-", "the device reports trouble"
    ),
    InjectionSpec("F28", Layer.MESSAGE, ("full",), 1e6, inf, "B", "disk all but full"),
    InjectionSpec("F36", Layer.MESSAGE, ("pause",), 0.0, 0.015, "-", "every answer misses its deadline"),
    InjectionSpec("F37", Layer.STAGE, ("session",), 0.0, inf, "-", "session silent"),
    InjectionSpec("F38", Layer.READING, ("patient", "therapist"), 0.0, 0.2, "-", "stop button"),
)
INJECTABLE: Final = {spec.fault: spec for spec in _SPECS}
"""What can be injected, by fault id."""


@dataclass(frozen=True, slots=True)
class Injection:
    """One fault to inject; ``joint`` is an index of the conventions, ``side`` 0 left or 1 right."""

    fault: str
    gait: Gait
    side: int
    joint: int
    start_s: float
    duration_s: float
    size: float
    kind: str

    @property
    def spec(self) -> InjectionSpec:
        """Its row of the catalogue."""
        return INJECTABLE[self.fault]

    @property
    def layer(self) -> Layer:
        """Where it acts."""
        if (self.kind == "command" and self.fault == "F03") or (self.fault == "F12" and self.kind != "phase"):
            return Layer.MESSAGE
        return self.spec.layer

    @property
    def bit(self) -> int:
        """Its bit in ``SimTruth.fault_bits``."""
        return 1 << (int(self.fault[1:3]) - 1)


def parse(text: str) -> Injection:
    """Return the injection that ``text`` describes; see the module for the grammar.

    Raises
    ------
    InputError
        Unknown id, gait state, side, joint, option or kind, or a value that is not a number.
    """
    head, *options = [part.strip() for part in text.split(",")]
    fault, _, where = head.partition("@")
    spec = INJECTABLE.get(fault)
    if spec is None:
        raise InputError(
            f"fault '{text}': unknown id '{fault}'; expected ID[@GAIT[:SIDE[:JOINT]]][,start=S][,duration=S]"
            f"[,size=X][,kind=WORD] with one of {', '.join(INJECTABLE)}"
        )
    places = [place for place in where.split(":") if place]
    if len(places) > 3:
        raise InputError(f"fault '{text}': expected at most GAIT:SIDE:JOINT after the @")
    gait = _choose(text, places, 0, [g.value for g in Gait], Gait.ANY.value)
    side = SIDES.index(_choose(text, places, 1, list(SIDES), SIDES[0]))
    joint = JOINT_KINDS.index(_choose(text, places, 2, list(JOINT_KINDS), "knee"))
    made = Injection(
        fault, Gait(gait), side, 3 * side + joint, 0.0, spec.duration_s, spec.size, spec.kinds[0]
    )
    for option in options:
        made = _with_option(text, made, option)
    return made


def _choose(text: str, places: list[str], n: int, known: list[str], default: str) -> str:
    if len(places) <= n:
        return default
    if places[n] not in known:
        raise InputError(f"fault '{text}': unknown '{places[n]}'; expected one of {', '.join(known)}")
    return places[n]


_NUMBERS = {"start": "start_s", "duration": "duration_s", "size": "size"}


def _with_option(text: str, made: Injection, option: str) -> Injection:
    name, _, value = option.partition("=")
    if name == "kind":
        if value not in made.spec.kinds:
            kinds = ", ".join(made.spec.kinds)
            raise InputError(f"fault '{text}': unknown kind '{value}'; {made.fault} has {kinds}")
        return replace(made, kind=value)
    if name not in _NUMBERS:
        raise InputError(f"fault '{text}': unknown option '{name}'; expected start, duration, size or kind")
    try:
        number = float(value)
    except ValueError:
        number = _NAN
    if isnan(number):
        raise InputError(f"fault '{text}': {name} = '{value}' is not a number")
    if name != "size" and number < 0.0:
        raise InputError(f"fault '{text}': {name} = {value} must not be negative")
    if name == "start":
        return replace(made, start_s=number)
    return replace(made, duration_s=number) if name == "duration" else replace(made, size=number)


# ------------------------------------------------------------------ shapes of the measured faults

_NAN = float("nan")
_BOUNCE = (1, 1, 0, 1, 0, 0, 1, 0)
"""Contact states of a bouncing button, tick by tick."""


def _at(vector: Vector, index: int, value: float) -> Vector:
    out = vector.copy()
    out[index] = value
    return out


class ReadingFault:
    """Changes one measured fault into every reading, beginning with tick 0 of the fault."""

    def __init__(self, injection: Injection, period_s: float) -> None:
        self._i = injection
        self._t = period_s
        self._held: ExoState | None = None
        self._shape = _SHAPES[injection.fault]

    def apply(self, reading: DeviceReading, k: int) -> DeviceReading:
        """Return the reading of tick ``k`` of the fault."""
        if self._held is None or k == 0:
            self._held = reading.exo
        return self._shape(self, reading, k)

    def _exo(self, reading: DeviceReading, **changes: object) -> DeviceReading:
        return replace(reading, exo=replace(reading.exo, **changes))  # type: ignore[arg-type]

    def missing(self, reading: DeviceReading, k: int) -> DeviceReading:
        """F01: the valid bit falls and the value is no number."""
        i, exo = self._i, reading.exo
        if i.kind == "foot":
            return self._exo(reading, foot_valid=exo.foot_valid & ~(1 << i.side))
        if i.kind == "segment":
            return self._exo(reading, segment_valid=exo.segment_valid & ~(1 << i.joint))
        return self._exo(
            reading,
            joint_valid=exo.joint_valid & ~(1 << i.joint),
            angle_rad=_at(exo.angle_rad, i.joint, _NAN),
        )

    def stuck(self, reading: DeviceReading, k: int) -> DeviceReading:
        """F02: the value of the first tick for ever."""
        i, exo, held = self._i, reading.exo, self._held or reading.exo
        if i.kind == "torque":
            return self._exo(
                reading, joint_torque_nm=_at(exo.joint_torque_nm, i.joint, held.joint_torque_nm[i.joint])
            )
        return self._exo(
            reading,
            angle_rad=_at(exo.angle_rad, i.joint, held.angle_rad[i.joint]),
            velocity_rad_s=_at(exo.velocity_rad_s, i.joint, held.velocity_rad_s[i.joint]),
        )

    def damaged(self, reading: DeviceReading, k: int) -> DeviceReading:
        """F03: not a number."""
        i, exo = self._i, reading.exo
        if i.kind == "belt":
            return replace(reading, environment=replace(reading.environment, belt_speed_m_s=_NAN))
        if i.kind == "cuff":
            return self._exo(reading, cuff_force_n=_at(exo.cuff_force_n, 3 * i.joint, _NAN))
        return self._exo(reading, angle_rad=_at(exo.angle_rad, i.joint, _NAN))

    def shifted(self, reading: DeviceReading, k: int) -> DeviceReading:
        """F04, F05, F06: the angle is off by a spike, a step, whole turns or a ramp."""
        i, exo = self._i, reading.exo
        off = {
            "F04": i.size * (k % 5 == 0),
            "F05": tau if i.kind == "wrap" else i.size,
            "F06": i.size * (k + 1) * self._t,
        }[i.fault]
        return self._exo(reading, angle_rad=_at(exo.angle_rad, i.joint, exo.angle_rad[i.joint] + off))

    def clock(self, reading: DeviceReading, k: int) -> DeviceReading:
        """F07: the measurement time is off."""
        off = -self._i.size if self._i.kind == "back" else self._i.size
        return self._exo(reading, stamp_s=reading.exo.stamp_s + off)

    def estop(self, reading: DeviceReading, k: int) -> DeviceReading:
        """F20, F21: one or both lines open, cleanly or bouncing, or one that can't open."""
        kind, exo = self._i.kind, reading.exo
        if kind.startswith("stuck"):
            closed_a, closed_b = kind == "stuck_a", kind == "stuck_b"
            return self._exo(
                reading,
                estop_closed_a=exo.estop_closed_a or closed_a,
                estop_closed_b=exo.estop_closed_b or closed_b,
            )
        closed = kind == "bounce" and k < len(_BOUNCE) and not _BOUNCE[k]
        a = exo.estop_closed_a and (kind == "b" or closed)
        b = exo.estop_closed_b and (kind == "a" or closed)
        return self._exo(reading, estop_closed_a=a, estop_closed_b=b)

    def trouble(self, reading: DeviceReading, k: int) -> DeviceReading:
        """F27: heat, an empty battery, a silent bus."""
        i, exo = self._i, reading.exo
        if i.kind == "battery":
            return self._exo(reading, battery_fraction=0.02)
        if i.kind == "bus":
            return self._exo(reading, device_faults=exo.device_faults | DeviceFault.BUS_OFF)
        return self._exo(reading, motor_temperature_c=_at(exo.motor_temperature_c, i.joint, 140.0))

    def button(self, reading: DeviceReading, k: int) -> DeviceReading:
        """F38: the patient's or the therapist's button."""
        if self._i.kind == "therapist":
            return self._exo(reading, therapist_stop=True)
        return self._exo(reading, patient_stop=True)


_SHAPES: dict[str, Callable[[ReadingFault, DeviceReading, int], DeviceReading]] = {
    "F01": ReadingFault.missing,
    "F02": ReadingFault.stuck,
    "F03": ReadingFault.damaged,
    "F04": ReadingFault.shifted,
    "F05": ReadingFault.shifted,
    "F06": ReadingFault.shifted,
    "F07": ReadingFault.clock,
    "F20": ReadingFault.estop,
    "F21": ReadingFault.estop,
    "F27": ReadingFault.trouble,
    "F38": ReadingFault.button,
}


class Trigger:
    """Decides in which tick an injection begins and how long it lasts.

    ``standing`` needs a resting belt; ``stance`` and ``swing`` a moving one and the target leg loaded or
    not, for two ticks in a row, so that sensor noise at the threshold does not decide.
    """

    def __init__(self, injection: Injection, period_s: float, load_n: float = 60.0) -> None:
        self._i = injection
        self._t = period_s
        self._load = load_n
        self._seen = 0
        self.began = -1
        """Tick in which the fault began, -1 before."""

    def step(self, seq: int, reading: DeviceReading) -> int:
        """Return the tick of the fault (0 in its first), -1 when it is not active."""
        if self.began < 0:
            ready = seq * self._t >= self._i.start_s and self._matches(reading)
            self._seen = self._seen + 1 if ready else 0
            if self._seen < (1 if self._i.gait == Gait.ANY else 2):
                return -1
            self.began = seq
        k = seq - self.began
        return k if k * self._t <= self._i.duration_s else -1

    def _matches(self, reading: DeviceReading) -> bool:
        gait = self._i.gait
        if gait == Gait.ANY:
            return True
        moving = abs(reading.environment.belt_speed_m_s) > 0.05
        if gait == Gait.STANDING:
            return not moving
        side = self._i.side
        if reading.truth is not None:
            load = float(reading.truth.ground_force_n[3 * side + 2])
        else:
            load = float(np.sum(reading.exo.foot_load_n[2 * side : 2 * side + 2]))
        return moving and (load > self._load) == (gait == Gait.STANCE)
