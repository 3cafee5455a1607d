"""Schema of ``config/patients/*.yaml``: one person, body and impairment.

Impairment acts on muscles, nerves and tissue only. No key can change the gait that the person means to walk.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from exostride.config import StrictModel
from exostride.model.anthropometry import BodyParameters

Part = Annotated[float, Field(ge=0.0, le=1.0)]
Factor = Annotated[float, Field(ge=0.2, le=20.0)]


class Strength(StrictModel):
    """Voluntary strength per muscle group, as a part of that of a healthy person (1: full, 0: plegic)."""

    abduction: Part = 1.0
    adduction: Part = 1.0
    hip_flexion: Part = 1.0
    hip_extension: Part = 1.0
    knee_flexion: Part = 1.0
    knee_extension: Part = 1.0
    dorsiflexion: Part = 1.0
    plantarflexion: Part = 1.0


class StretchReflex(StrictModel):
    """Exaggerated stretch reflex of one muscle group.

    Torque against stretch: gain times stretch velocity above the threshold, growing with length.

    Attributes
    ----------
    gain_nms_rad
        Torque per stretch velocity [N m s/rad]; 0 switches the reflex off.
    threshold_rad_s
        Velocity below which nothing happens (catch on the Tardieu scale).
    length_gain_1_rad
        Relative growth of the gain per rad of stretch beyond the joint's neutral angle.
    delay_s
        Latency of the reflex arc.
    limit_nm
        Largest torque.
    """

    gain_nms_rad: Annotated[float, Field(ge=0.0, le=60.0)] = 0.0
    threshold_rad_s: Annotated[float, Field(ge=0.0, le=20.0)] = 0.5
    length_gain_1_rad: Annotated[float, Field(ge=0.0, le=10.0)] = 1.0
    delay_s: Annotated[float, Field(ge=0.0, le=0.2)] = 0.035
    limit_nm: Annotated[float, Field(ge=0.0, le=150.0)] = 40.0


class Spasticity(StrictModel):
    """Stretch reflexes by the muscle group that is stretched."""

    hip_flexors: StretchReflex = StretchReflex()
    hip_extensors: StretchReflex = StretchReflex()
    knee_flexors: StretchReflex = StretchReflex()
    knee_extensors: StretchReflex = StretchReflex()
    dorsiflexors: StretchReflex = StretchReflex()
    plantarflexors: StretchReflex = StretchReflex()


class Clonus(StrictModel):
    """Rhythmic bursts of the plantarflexors, set off by a quick stretch under load, 5-7 Hz."""

    torque_nm: Annotated[float, Field(ge=0.0, le=60.0)] = 0.0
    frequency_hz: Annotated[float, Field(ge=3.0, le=9.0)] = 6.0
    threshold_rad_s: Annotated[float, Field(gt=0.0, le=20.0)] = 3.0
    duration_s: Annotated[float, Field(gt=0.0, le=5.0)] = 1.0


class Tissue(StrictModel):
    """Passive stiffness as a multiple of a healthy person's (contracture: above 1)."""

    hip: Factor = 1.0
    knee: Factor = 1.0
    ankle: Factor = 1.0


class Side(StrictModel):
    """Impairment of one leg.

    ``delay_s`` adds to the conduction time that the person has learned to anticipate; ``slowness`` multiplies
    the time constant of muscle activation; ``preserved`` is the part of the loss of strength that holding and
    lengthening contractions escape (1: central paresis, 0: peripheral palsy; see
    :mod:`exostride.patient.muscles`).
    """

    strength: Strength = Strength()
    preserved: Part = 1.0
    delay_s: Annotated[float, Field(ge=0.0, le=0.15)] = 0.0
    slowness: Annotated[float, Field(ge=1.0, le=5.0)] = 1.0
    spasticity: Spasticity = Spasticity()
    clonus: Clonus = Clonus()
    tissue: Tissue = Tissue()


class Fatigue(StrictModel):
    """Rates of fatigue and recovery [1/s] of active muscle (three-compartment model, Xia & Frey Law 2008).

    Defaults: ankle and knee values of Frey-Law, Looft & Heitsman 2012 (J Biomech 45:1803), multiplied by
    ``factor``; the hip takes their general value. ``rest_factor`` multiplies recovery at rest (Looft 2018).
    """

    factor: Annotated[float, Field(ge=0.0, le=20.0)] = 1.0
    rest_factor: Annotated[float, Field(ge=1.0, le=50.0)] = 15.0


class Spasms(StrictModel):
    """Flexor spasms at random times (Poisson), the same torque on hip and knee of one random leg."""

    rate_per_min: Annotated[float, Field(ge=0.0, le=20.0)] = 0.0
    torque_nm: Annotated[float, Field(ge=0.0, le=120.0)] = 40.0
    duration_s: Annotated[float, Field(gt=0.0, le=10.0)] = 1.5


class Heart(StrictModel):
    """Heart rate: first-order response to muscular power."""

    rest_bpm: Annotated[float, Field(ge=40.0, le=120.0)] = 70.0
    bpm_per_w_kg: Annotated[float, Field(ge=0.0, le=60.0)] = 16.0
    time_constant_s: Annotated[float, Field(gt=0.0, le=300.0)] = 35.0
    max_bpm: Annotated[float, Field(ge=100.0, le=220.0)] = 185.0


class Effort(StrictModel):
    """How hard the person tries, stride by stride (slacking: Emken et al. 2007, Reinkensmeyer et al. 2009).

    ``e' = retention e + gain (|tracking error| - tolerance) / 10 deg``, held between ``floor`` and 1: effort
    is given back until error grows beyond one's own variability. With retention 1 nobody slacks.
    """

    start: Part = 1.0
    retention: Annotated[float, Field(ge=0.5, le=1.0)] = 1.0
    gain: Annotated[float, Field(ge=0.0, le=2.0)] = 0.0
    tolerance_deg: Annotated[float, Field(ge=0.0, le=20.0)] = 0.0
    floor: Part = 0.3


class Learning(StrictModel):
    """How the person learns to walk with what they have; see :mod:`exostride.patient.learning`.

    Attributes
    ----------
    rate
        Feed-forward torque learned in a stride per error [m g l/rad]; 0: has nothing more to learn.
    retention
        Part that is still there one stride later without error.
    limit
        Most that can be learned at a phase [m g l].
    overnight
        Part of it that the next session begins with.
    recovery
        Part of what can return of the lost strength that one full session brings back.
    potential
        Part of the lost strength that can return at all; 0 for a non-responder.
    """

    rate: Annotated[float, Field(ge=0.0, le=0.2)] = 0.0
    retention: Annotated[float, Field(ge=0.5, le=1.0)] = 0.97
    limit: Annotated[float, Field(ge=0.0, le=0.1)] = 0.03
    overnight: Part = 0.5
    recovery: Part = 0.0
    potential: Part = 0.0


class Therapy(StrictModel):
    """What this person can begin to train with: belt speed and body-weight support."""

    speed_m_s: Annotated[float, Field(gt=0.0, le=2.0)] = 0.4
    unloading_percent: Annotated[float, Field(ge=0.0, le=85.0)] = 30.0


class PatientProfile(StrictModel):
    """One patient: body, impairment, therapy.

    ``limits`` are safety limits that are tighter for this patient than the device's, with the keys of
    ``config/limits/default.yaml``: ``{joints: {knee_left: {angle_max_rad: 0.9}}}``.
    """

    name: str
    description: str
    body: BodyParameters = BodyParameters()
    left: Side = Side()
    right: Side = Side()
    fatigue: Fatigue = Fatigue()
    spasms: Spasms = Spasms()
    heart: Heart = Heart()
    effort: Effort = Effort()
    learning: Learning = Learning()
    therapy: Therapy = Therapy()
    limits: dict[str, Any] = Field(default_factory=dict)
    motor_noise: Annotated[float, Field(ge=0.0, le=0.3)] = 0.0
