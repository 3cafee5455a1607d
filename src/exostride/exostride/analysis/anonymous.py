r"""Sessions for sharing: no names, dates shifted, bodies in bands, and every kind of body shared by k people.

What leaves is on a list; all else stays: no free text, no configuration, no serial number, no device name,
no time of day. Pseudonyms become numbers in random order, dates move by a random number of days, one for each
patient, so that intervals stay. Sex, height and mass are what others may know of a person: a set is refused
unless every combination of their bands is shared by at least k patients (k-anonymity: Sweeney 2002, Int J
Uncertain Fuzz 10:557-570). Forces, moments and works would give the mass away again, so they are scaled to
that of the band.

A gait itself is personal, like a voice: this keeps people from being looked up, not from being recognised by
who has their gait already.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final

import numpy as np

from exostride.analysis.session import Session
from exostride.analysis.summary import Analysis
from exostride.errors import InputError
from exostride.exchange.motion import MotionRecording, unit_of
from exostride.model.anthropometry import BodyParameters

QUASI: Final = ("sex", "height_m", "mass_kg")
"""What others may know of a person, and the set holds."""
_SHIFT_DAYS: Final = 365
_WITH_MASS: Final = ("N", "Nm", "N m", "J")
_WIDER: Final = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0)


@dataclass(frozen=True)
class Coarseness:
    """Widths of the bands of height [m] and mass [kg], and which of :data:`QUASI` are left out."""

    height_m: float = 0.10
    mass_kg: float = 10.0
    dropped: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what is no band.

        Raises
        ------
        InputError
            A width is not above zero, or something unknown is to be left out.
        """
        for name in ("height_m", "mass_kg"):
            if not getattr(self, name) > 0.0:
                raise InputError(f"band of {name}: {getattr(self, name):g} must be above zero")
        unknown = [name for name in self.dropped if name not in QUASI]
        if unknown:
            raise InputError(f"--drop {unknown[0]}: expected one of {', '.join(QUASI)}")


@dataclass(frozen=True, slots=True)
class Subject:
    """One person of the shared set: ``kind`` has the bands by name, ``mass_scale`` band over true mass."""

    number: str
    kind: Mapping[str, str]
    mass_scale: float


@dataclass(frozen=True, slots=True)
class SharedSession:
    """One session of the shared set: whose, the how-manieth, its shifted day (ISO; empty when unknown)."""

    subject: Subject
    index: int
    day: str
    analysis: Analysis


def band(value: float, width: float) -> tuple[float, float]:
    """Return the band [low, high) that holds a value."""
    low = math.floor(round(value / width, 9)) * width
    return low, low + width


def kind_of(body: BodyParameters, coarse: Coarseness) -> dict[str, str]:
    """Return a body's quasi-identifiers in bands; those left out are missing."""
    height, mass = band(body.height_m, coarse.height_m), band(body.mass_kg, coarse.mass_kg)
    every = {
        "sex": str(body.sex),
        "height_m": f"{height[0]:.2f}-{height[1]:.2f}",
        "mass_kg": f"{mass[0]:.0f}-{mass[1]:.0f}",
    }
    return {name: text for name, text in every.items() if name not in coarse.dropped}


def smallest(bodies: Iterable[BodyParameters], coarse: Coarseness) -> tuple[int, dict[str, str]]:
    """Return the size of the rarest kind of body, and that kind."""
    counts = Counter(tuple(kind_of(body, coarse).items()) for body in bodies)
    kind, size = min(counts.items(), key=lambda item: (item[1], item[0]))
    return size, dict(kind)


def check_k(bodies: Sequence[BodyParameters], coarse: Coarseness, k: int) -> None:
    """Refuse a set in which some kind of body belongs to fewer than k people.

    Raises
    ------
    InputError
        It does; the message names the kind and what would be enough.
    """
    size, kind = smallest(bodies, coarse)
    if size >= k:
        return
    words = ", ".join(f"{name} {text}" for name, text in kind.items()) or "everybody"
    raise InputError(
        f"k = {size}, wanted {k}: {size} of {len(bodies)} patients have {words}; {_advice(bodies, coarse, k)}"
    )


def _advice(bodies: Sequence[BodyParameters], coarse: Coarseness, k: int) -> str:
    """Return the first coarsening that reaches k, the gentlest first, as options of the command."""
    if len(bodies) < k:
        return f"no coarsening helps: the set has {len(bodies)} patients"
    rest = [name for name in QUASI if name not in coarse.dropped]
    drops = [
        (),
        *((name,) for name in rest),
        ("sex", "height_m"),
        ("sex", "mass_kg"),
        ("height_m", "mass_kg"),
    ]
    for left_out in drops:
        for factor in _WIDER:
            tried = Coarseness(
                coarse.height_m * factor, coarse.mass_kg * factor, tuple({*coarse.dropped, *left_out})
            )
            if smallest(bodies, tried)[0] >= k:
                options = [f"--drop {name}" for name in left_out]
                if factor > 1.0:
                    options += [f"--height-band {tried.height_m:g}", f"--mass-band {tried.mass_kg:g}"]
                return f"coarsen it: {' '.join(options)}"
    return "coarsen it: --drop sex --drop height_m --drop mass_kg"


def shared(
    analyses: Sequence[Analysis], coarse: Coarseness, k: int, random: np.random.Generator
) -> list[SharedSession]:
    """Return the sessions as they may be shared, by subject and time.

    Parameters
    ----------
    analyses
        Of all sessions of the set.
    coarse, k
        Bands, and how many people must share each kind of body.
    random
        Source of the new numbers and of the shifts of dates; keep neither it nor its seed.

    Raises
    ------
    InputError
        A bag has no patient or body, a patient has two bodies, or k is not reached.
    """
    people: dict[str, list[Analysis]] = {}
    for analysis in analyses:
        people.setdefault(_checked(analysis.session), []).append(analysis)
    bodies = {name: _body(name, sessions) for name, sessions in people.items()}
    check_k(list(bodies.values()), coarse, k)
    names = sorted(people)
    random.shuffle(names)
    result = []
    for number, name in enumerate(names, 1):
        kind, body = kind_of(bodies[name], coarse), bodies[name]
        middle = sum(band(body.mass_kg, coarse.mass_kg)) / 2.0
        subject = Subject(f"p{number:03d}", kind, middle / body.mass_kg)
        shift = timedelta(days=int(random.integers(-_SHIFT_DAYS, _SHIFT_DAYS + 1)))
        ordered = sorted(people[name], key=lambda a: str(a.session.info.get("started", "")))
        for index, analysis in enumerate(ordered, 1):
            result.append(SharedSession(subject, index, _day(analysis.session, shift), analysis))
    return result


def _checked(session: Session) -> str:
    if not session.patient_id:
        raise InputError(f"{session.path}: names no patient_id; who has how many sessions can't be told")
    if session.body is None:
        raise InputError(f"{session.path}: holds no body; its k can't be checked, leave it out")
    return session.patient_id


def _body(name: str, sessions: Sequence[Analysis]) -> BodyParameters:
    bodies = [a.session.body for a in sessions if a.session.body is not None]
    first = bodies[0]
    for body in bodies[1:]:
        if (body.sex, body.height_m) != (first.sex, first.height_m):
            raise InputError(f"patient '{name}': sessions with different bodies under one pseudonym")
    return replace_mass(first, float(np.mean([body.mass_kg for body in bodies])))


def replace_mass(body: BodyParameters, mass_kg: float) -> BodyParameters:
    """Return a body with another mass: people gain and lose weight between sessions."""
    return body.model_copy(update={"mass_kg": mass_kg})


def _day(session: Session, shift: timedelta) -> str:
    try:
        day: date = datetime.fromisoformat(str(session.info.get("started", ""))).date()
    except ValueError:
        return ""
    return (day + shift).isoformat()


def scaled(recording: MotionRecording, factor: float) -> MotionRecording:
    """Return a recording with its forces and moments times ``factor``, time from zero, and no source."""
    columns = {
        name: values * factor if unit_of(name) in _WITH_MASS else values
        for name, values in recording.columns.items()
    }
    start = float(recording.time_s[0])
    events = tuple(replace(event, time_s=event.time_s - start) for event in recording.events)
    return MotionRecording(recording.time_s - start, columns, events)


def figures(session: SharedSession) -> list[tuple[str, str, str, str, str, int, str]]:
    """Return a session's known figures: metric, key, value, sd, margin, n, unit; scaled like the forces."""
    rows = []
    for row in session.analysis.rows():
        if not row.estimate.known:
            continue
        factor = session.subject.mass_scale if row.metric.unit in _WITH_MASS else 1.0
        numbers = (row.estimate.value, row.estimate.sd, row.estimate.margin)
        texts = ["" if not math.isfinite(v) else f"{v * factor:.6g}" for v in numbers]
        rows.append((row.metric.name, row.key, texts[0], texts[1], texts[2], row.estimate.n, row.metric.unit))
    return rows
