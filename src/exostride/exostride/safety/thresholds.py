"""Thresholds of the fault detectors: one group per fault of the catalogue."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from exostride.config import StrictModel


def limit(unit: str, source: str, tighter: Literal["lower", "raise"] | None, **bounds: float) -> Any:
    """Return a pydantic field with its unit, its source, and the direction a patient may move it."""
    extra: dict[str, Any] = {"unit": unit, "tighter": tighter}
    return Field(description=source, json_schema_extra=extra, **bounds)  # type: ignore[call-overload]


class SensorThresholds(StrictModel):
    """F01 to F07: what a sensor may not do."""

    missing_ticks: int = limit("ticks", "F01: one tick is bridged, the second stops", "lower", ge=1, le=2)
    stuck_ticks: int = limit("ticks", "F02: bit-equal samples of a noisy sensor", "lower", ge=3, le=40)
    stuck_rad: float = limit(
        "rad",
        "F02: how far the twin may move beside a joint that repeats; 4 x its noise",
        "lower",
        gt=0.0,
        le=0.1,
    )
    spike_count: int = limit("samples", "F04: rejected samples in the window that stop", "lower", ge=1, le=20)
    spike_window_ticks: int = limit("ticks", "F04: the window", "raise", ge=1, le=200)
    twin_reduce_rad: float = limit(
        "rad", "F06: joint encoder against segment IMUs; 2 x the IMU's accuracy", "lower", gt=0.0, le=0.5
    )
    twin_stop_rad: float = limit("rad", "F06: as above, stop", "lower", gt=0.0, le=0.8)
    twin_s: float = limit("s", "F06: time constant of that comparison", None, gt=0.0, le=2.0)
    cuff_reduce_n: float = limit(
        "N",
        "F06: mean cuff force; design choice for a padded cuff, after ISO/TS 15066 for a thigh",
        "lower",
        gt=0.0,
        le=500.0,
    )
    cuff_stop_n: float = limit("N", "F06: design choice: twice that", "lower", gt=0.0)
    cuff_s: float = limit("s", "F06: time constant of the mean", None, gt=0.0, le=2.0)
    clock_ticks: float = limit("ticks", "F07: a step of measurement time above this", None, gt=1.0, le=10.0)


class MessageThresholds(StrictModel):
    """F08 to F16, F28, F36, F37: what the graph may not do."""

    late_ticks: int = limit("ticks", "F08, F11, F12: missing inputs in a row that stop", "lower", ge=1, le=3)
    wrong_ticks: int = limit("ticks", "F09: refused messages in the window that stop", "lower", ge=1, le=5)
    wrong_window_ticks: int = limit("ticks", "F09, and jumps of F12: the window", "raise", ge=5, le=200)
    permit_ticks: int = limit("ticks", "F13: age of the permit in the kernel", "lower", ge=1, le=10)
    phase_jump: float = limit(
        "cycle", "F12: phase against its own rate; a reset at heel strike is allowed", None, gt=0.0, le=0.5
    )
    session_s: float = limit("s", "F37: session state older than this", "lower", gt=0.1, le=2.0)
    recorder_s: float = limit("s", "F14: recorder state older than this", "lower", gt=0.1, le=2.5)
    disk_bytes: float = limit("B", "F28: one hour of recording", "raise", ge=0.0)


class DriveThresholds(StrictModel):
    """F17 to F19, F27: what a drive may not do."""

    tracking_nm: float = limit("N m", "F17: request beyond what is applied", "lower", gt=0.0, le=100.0)
    tracking_rad: float = limit("rad", "F17: joint away from its reference", "lower", gt=0.0, le=2.0)
    tracking_reduce_s: float = limit("s", "F17: time to REDUCE", "lower", gt=0.0, le=0.1)
    tracking_stop_s: float = limit("s", "F17: time to SOFT_STOP", "lower", gt=0.0, le=10.0)
    runaway_nm: float = limit(
        "N m", "F18: measured torque outside the envelope of what was applied", None, gt=0.0, le=60.0
    )
    runaway_ticks: int = limit("ticks", "F18: for this long", "lower", ge=1, le=2)
    overspeed: float = limit("1", "F18: of velocity_rad_s", "lower", ge=1.0, le=2.0)
    sign_nm: float = limit("N m", "F19: torque above which a sign must agree", None, gt=0.0, le=20.0)
    sign_ticks: int = limit("ticks", "F19: for this long", "lower", ge=1, le=2)
    gain_low: float = limit("1", "F19: smallest gain in HOMING, see above", "raise", gt=0.0, le=1.0)
    gain_high: float = limit("1", "F19: largest gain in HOMING", "lower", ge=1.0, le=5.0)
    hot_c: float = limit("degC", "F27: winding, REDUCE; class F insulation less margin", "lower", le=140.0)
    too_hot_c: float = limit("degC", "F27: winding, SOFT_STOP", "lower", le=155.0)
    battery_low: float = limit("1", "F27: charge, REDUCE", "raise", ge=0.0, le=0.5)
    battery_empty: float = limit("1", "F27: charge, SOFT_STOP", "raise", ge=0.0, le=0.5)


class BodyThresholds(StrictModel):
    """F22 to F24: spasm, fall, drag, trip."""

    spasm_hip_nm: float = limit(
        "N m",
        "F22: walker's torque beyond what is expected; up to a quarter of able-bodied peaks (Winter 1991)",
        "lower",
        gt=0.0,
        le=60.0,
    )
    spasm_knee_nm: float = limit("N m", "F22: as above", "lower", gt=0.0, le=60.0)
    spasm_ankle_nm: float = limit("N m", "F22: as above", "lower", gt=0.0, le=60.0)
    spasm_sd: float = limit(
        "1", "F22: and by so many standard deviations between this walker's strides", "lower", ge=1.0, le=8.0
    )
    spasm_first: float = limit(
        "1", "F22: times as much before this walker is known: beyond peak moments", "lower", ge=1.0, le=15.0
    )
    spasm_s: float = limit("s", "F22: time constant of the average a change is against", None, gt=0.0, le=1.0)
    spasm_hz: float = limit(
        "Hz", "F22: bandwidth of the walker's torque; above that of muscle (6 Hz)", None, gt=2.0, le=40.0
    )
    spasm_impact_s: float = limit(
        "s",
        "F22: not judged so long after a foot meets or leaves the belt (Whittle 1999)",
        "lower",
        gt=0.0,
        le=0.06,
    )
    spasm_lost: float = limit(
        "1",
        "F22: the same for a stride after the rhythm was lost, beyond what walkers then do; design choice",
        "lower",
        ge=1.0,
        le=5.0,
    )
    spasm_ticks: int = limit("ticks", "F22: for this long", "lower", ge=1, le=8)
    spasm_stop: float = limit(
        "1", "F22: so many times as far is a SOFT_STOP at once; design choice", "lower", ge=1.0, le=5.0
    )
    spasm_lasts_s: float = limit(
        "s",
        "F22: and so is what lasts so long at twice the bounds, or longer nearer to them: a stumble is over "
        "by then; design choice",
        "lower",
        gt=0.0,
        le=0.2,
    )
    fall_drop_m: float = limit(
        "m",
        "F23: pelvis below its walking height; vertical excursion of gait is 0.05",
        "lower",
        gt=0.0,
        le=0.3,
    )
    fall_speed_m_s: float = limit(
        "m/s",
        "F23: pelvis downwards; design choice: earlier than 1.3 of Bourke, O'Donovan & ÓLaighin 2008",
        "lower",
        gt=0.0,
        le=1.3,
    )
    fall_tilt_rad: float = limit(
        "rad",
        "F23: trunk from upright; earlier than the 0.59 of Bourke & Lyons 2008",
        "lower",
        gt=0.0,
        le=1.0,
    )
    fall_tilt_rate_rad_s: float = limit(
        "rad/s",
        "F23: trunk rate with tilt; earlier than the 3.1 of Bourke & Lyons 2008",
        "lower",
        gt=0.0,
        le=6.0,
    )
    fall_ticks: int = limit("ticks", "F23: for this long", "lower", ge=1, le=10)
    xcom_m: float = limit(
        "m", "F23: extrapolated centre of mass (Hof 2005) beyond the base of support", "lower", gt=0.0, le=1.0
    )
    xcom_reduce_m: float = limit(
        "m",
        "F23: before it is a fall: belt slows, harness holds; more than twice what walking does",
        "lower",
        gt=0.0,
        le=0.35,
    )
    height_s: float = limit("s", "F23: time constant of the walking height", None, gt=0.0, le=30.0)
    drag_n: float = limit(
        "N", "F24a: load on the foot while the foot swings forward", "lower", gt=0.0, le=200.0
    )
    drag_s: float = limit("s", "F24a: for this long within one swing", "lower", gt=0.0, le=0.3)
    drag_rate_rad_s: float = limit(
        "rad/s", "F24a: thigh and shank together forward faster than this is swing", None, gt=0.0
    )
    drag_answer_s: float = limit(
        "s",
        "F24a: so long both legs answer a foot that was caught; design choice",
        None,
        gt=0.0,
        le=0.5,
    )
    drag_steps: int = limit("steps", "F24a: n of m swings to REDUCE", "lower", ge=1, le=10)
    drag_of_steps: int = limit("steps", "F24a: m", "raise", ge=2, le=20)
    drag_stop_steps: int = limit("steps", "F24a: n of m swings to SOFT_STOP", "lower", ge=2, le=20)
    trip_nm: float = limit(
        "N m",
        "F24b: extending hip and flexing knee of the lifted leg; slow walking's own is 10 to 25",
        "lower",
        gt=0.0,
        le=100.0,
    )
    trip_n: float = limit("N", "F24b: load on the swinging foot's toe", "lower", gt=0.0, le=400.0)
    trip_decel_rad_s2: float = limit("rad/s^2", "F24b: swing slowed by the obstacle", "lower", gt=0.0)
    trip_pitch_rad_s: float = limit("rad/s", "F24b: trunk pitched forward", "lower", gt=0.0, le=6.0)
    trip_ticks: int = limit("ticks", "F24b: for this long", "lower", ge=1, le=10)


class EnvironmentThresholds(StrictModel):
    """F25, F26: belt and harness."""

    belt_ticks: int = limit("ticks", "F25: for this long", "lower", ge=1, le=15)
    harness_n: float = limit("N", "F26: mean force above which its loss is judged", "lower", gt=0.0, le=500.0)
    harness_share: float = limit(
        "1", "F26: force below this share of its mean is lost", "raise", gt=0.0, le=0.9
    )
    harness_s: float = limit("s", "F26: time constant of that mean", None, gt=0.0, le=5.0)
    harness_ticks: int = limit("ticks", "F26: for this long", "lower", ge=1, le=10)


class StopThresholds(StrictModel):
    """Steps of the stop sequences, each with its own timeout, and the reset."""

    estop_disagree_s: float = limit(
        "s",
        "F21: channels apart; design choice: contacts of one button part in tens of ms",
        "lower",
        gt=0.0,
        le=0.1,
    )
    belt_rest_m_s: float = limit("m/s", "belt counts as stopped below this", None, gt=0.0, le=0.1)
    belt_timeout_s: float = limit("s", "belt must rest by then", "lower", gt=0.0, le=10.0)
    harness_timeout_s: float = limit("s", "harness must confirm by then", "lower", gt=0.0, le=15.0)
    ramp_out_s: float = limit("s", "support fades over this", None, gt=0.0, le=5.0)
    reduce_scale: float = limit("1", "factor on effort under REDUCE", "lower", ge=0.0, le=1.0)
    scale_rate_1_s: float = limit("1/s", "how fast the factor changes", None, gt=0.0, le=10.0)
    clear_s: float = limit("s", "WARN and REDUCE clear after this without the condition", "raise", gt=0.0)
    reset_clear_s: float = limit("s", "cause must be gone this long before a reset", "raise", ge=1.0)
    stopping_timeout_s: float = limit(
        "s", "an ordinary stop that takes longer becomes a SOFT_STOP", "lower", gt=0.0
    )
    rest_s: float = limit("s", "belt must rest this long before STAND", None, gt=0.0, le=5.0)


class Thresholds(StrictModel):
    """All detectors."""

    sensors: SensorThresholds
    messages: MessageThresholds
    drives: DriveThresholds
    body: BodyThresholds
    environment: EnvironmentThresholds
    stops: StopThresholds
