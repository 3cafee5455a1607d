"""F23 and F24: loss of balance, foot drag and trip, told apart by what the body does."""

from __future__ import annotations

from collections import deque
from math import sqrt

from exostride.conventions import GRAVITY_M_S2, SEGMENTS, SIDES
from exostride.safety import codes
from exostride.safety.faults import Finding
from exostride.safety.intake import PLACES
from exostride.safety.limits import SafetyLimits, plain
from exostride.safety.snapshot import Snapshot
from exostride.types import Action

_POSITION, _VELOCITY = PLACES["pelvis_position_m"], PLACES["pelvis_velocity_m_s"]
_ORIENTATION, _GYRO = PLACES["pelvis_orientation"], PLACES["pelvis_gyro_rad_s"]
_RATE, _FORCE, _COP = PLACES["segment_rate_rad_s"], PLACES["foot_force_n"], PLACES["foot_cop_m"]
_ALL_SEGMENTS = (1 << len(SEGMENTS)) - 1


class BalanceDetector:
    r"""F23: a fall that has begun, from pelvis height, speed and tilt, and the extrapolated centre of mass.

    The extrapolated centre of mass of Hof, Gazendam & Sinke, J Biomech 38:1 (2005), is

    .. math:: x_{com} = x + \dot x / \omega_0, \qquad \omega_0 = \sqrt{g / \ell},

    here with the pelvis for the centre of mass, relative to the standing place on the belt. The
    walking height is a slow average, so that a crouched gait is not a fall.
    Before it is a fall, at ``xcom_reduce_m``, the belt slows and the harness holds (REDUCE).
    """

    def __init__(self, limits: SafetyLimits, period_s: float) -> None:
        self._limits = plain(limits.detect.body)
        self._gain = period_s / (limits.detect.body.height_s + period_s)
        self._height: float | None = None
        self._ticks = self._leaning = 0
        self.margin_m = 0.0
        """Distance of the extrapolated centre of mass from the edge of its safe region [m]."""

    def step(self, snap: Snapshot, found: list[Finding]) -> None:
        """Append a fall in its beginning."""
        values = snap.values
        if not _upright(snap):
            self._height = None
            self._ticks = self._leaning = 0
            return
        if not snap.exo.available & codes.HAS_PELVIS:
            return  # the walking height is still known when it comes back
        x, y, z = values[_POSITION]
        vx, vy, vz = values[_VELOCITY]
        if self._height is None:
            self._height = z
        words = self._signs(values[_ORIENTATION], values[_GYRO], z, vz)
        pendulum = sqrt(max(z, 0.3) / GRAVITY_M_S2)
        lean = max(abs(x + vx * pendulum), abs(y + vy * pendulum))
        self.margin_m = self._limits.xcom_m - lean
        if self.margin_m < 0.0:
            words = words or "centre of mass beyond the feet"
        self._ticks = self._ticks + 1 if words else 0
        if not words:
            self._height += self._gain * (z - self._height)
        self._leaning = self._leaning + 1 if lean > self._limits.xcom_reduce_m else 0
        if self._ticks >= self._limits.fall_ticks:
            found.append(Finding("F23", Action.E_STOP, words))
        elif self._leaning >= self._limits.fall_ticks:
            found.append(Finding("F23", Action.REDUCE, "centre of mass near the edge"))

    def _signs(self, orientation: list[float], gyro: list[float], z: float, vz: float) -> str:
        """Return which sign of a fall is present, in words."""
        limits = self._limits
        qx, qy, _, _ = orientation
        tilt = 2.0 * sqrt(qx * qx + qy * qy)
        drop = (self._height or z) - z
        if drop > limits.fall_drop_m:
            return "pelvis too low"
        if -vz > limits.fall_speed_m_s:
            return "pelvis dropping"
        if tilt > limits.fall_tilt_rad:
            return "trunk tilted"
        if tilt > 0.5 * limits.fall_tilt_rad:
            rate = sqrt(gyro[0] * gyro[0] + gyro[1] * gyro[1])
            if rate > limits.fall_tilt_rate_rad_s:
                return "trunk tipping over"
        return ""


def _upright(snap: Snapshot) -> bool:
    """Return whether the walker should be on their feet: also in a SOFT_STOP until the harness has them."""
    if snap.state == codes.IN_SOFT_STOP:
        lifted = snap.environment.harness_action == codes.LIFT
        return not (lifted and snap.environment.harness_confirmed)
    return snap.driven or snap.state == codes.IN_STAND


def _loads(snap: Snapshot) -> list[tuple[float, float, float]]:
    """Return the load at heel and toe and on the whole of each foot [N], empty if it was not measured."""
    exo, force = snap.exo, [0.0, 0.0]
    if exo.foot_valid != 0b11:
        return []
    if exo.available & codes.HAS_WRENCH:
        force = snap.values[_FORCE][2::3]
    elif snap.load is None:
        return []
    if snap.load is not None:
        heel_l, toe_l, heel_r, toe_r = snap.load
        return [(heel_l, toe_l, max(toe_l, force[0])), (heel_r, toe_r, max(toe_r, force[1]))]
    forward = snap.values[_COP][0::2]
    return [(0.0, f, f) if x > 0.0 else (f, 0.0, f) for f, x in zip(force, forward, strict=True)]


class FootDetector:
    """F24a and F24b: a foot that carries load while the leg swings it forward.

    The sum of the forward rates of thigh and shank stands for the foot's speed over the pelvis, both
    segments being about equally long. Drag: load, of the toe's cell or of the ground on the whole foot, and
    forward rate together for ``drag_s``: the foot scrapes along; counted per swing of this bout. Trip: a
    higher load, a swing that brakes hard, a trunk pitching forward. A sole without cells is loaded where its
    centre of pressure lies: in front of the ankle at the toe, else at the heel. A tick without measurements
    is bridged.

    For ``drag_answer_s`` after a foot was caught so, sudden torque of either leg is how the walker saves
    themselves (:attr:`caught`).
    """

    def __init__(self, limits: SafetyLimits, period_s: float) -> None:
        self._limits = plain(limits.detect.body)
        self._t = period_s
        self._bridge = limits.detect.sensors.missing_ticks
        self._drag_ticks = max(1, round(limits.detect.body.drag_s / period_s))
        self._answer = round(limits.detect.body.drag_answer_s / period_s)
        self._walking = False
        self._begin()

    def _begin(self) -> None:
        """Forget the last bout."""
        self._dragged = [0, 0]
        self._tripping = [0, 0]
        self._answering = 0
        self._swings: tuple[deque[bool], deque[bool]] = (deque(), deque())
        self.levels = [Action.NONE, Action.NONE]
        self._start()

    def _start(self) -> None:
        """Begin anew after a gap in the measurements."""
        self._gap = 0
        self._swinging = [False, False]
        self._rate: list[float] | None = None

    @property
    def caught(self) -> bool:
        """Whether a swinging foot was on the ground just now, or so lately that legs still answer it."""
        return self._answering > 0

    def step(self, snap: Snapshot, found: list[Finding]) -> None:
        """Append drag and trip of either foot."""
        self._answering = max(0, self._answering - 1)
        if snap.driven and not self._walking:
            self._begin()
        self._walking = snap.driven
        if not snap.driven:
            return
        loads = _loads(snap)
        if not loads or not snap.exo.available & codes.HAS_SEGMENT or snap.exo.segment_valid != _ALL_SEGMENTS:
            self._gap += 1
            if self._gap == self._bridge:
                self._start()
            return
        rates, pitch = snap.values[_RATE], snap.pitch_rate
        now = [rates[0] + rates[1], rates[3] + rates[4]]
        last, since = self._rate or now, (self._gap + 1) * self._t
        self._rate, self._gap = now, 0
        for side, (name, rate, (heel, toe, whole)) in enumerate(zip(SIDES, now, loads, strict=True)):
            self._drag(side, name, whole, heel, rate, found)
            slowed = (last[side] - rate) / since > self._limits.trip_decel_rad_s2
            self._trip(side, name, toe, slowed, pitch, found)

    def _drag(
        self, side: int, name: str, load: float, heel: float, rate: float, found: list[Finding]
    ) -> None:
        limits = self._limits
        if rate > limits.drag_rate_rad_s and heel < limits.drag_n:
            if not self._swinging[side]:
                self._swinging[side] = True
                self._dragged[side] = 0
            if load > limits.drag_n:
                self._dragged[side] += 1
                if self._dragged[side] >= self._drag_ticks:
                    self._answering = self._answer
                    found.append(Finding("F24a", max(Action.WARN, self.levels[side]), f"{name} foot"))
        elif self._swinging[side] and rate < 0.0:
            self._swinging[side] = False
            self._count(side, self._dragged[side] >= self._drag_ticks)

    def _count(self, side: int, dragged: bool) -> None:
        """Count a finished swing: n of m make the level of the next drag REDUCE, then SOFT_STOP."""
        limits = self._limits
        swings = self._swings[side]
        swings.append(dragged)
        longest = max(limits.drag_of_steps, limits.drag_stop_steps)
        while len(swings) > longest:
            swings.popleft()
        recent = list(swings)[-limits.drag_of_steps :]
        level = Action.REDUCE if sum(recent) >= limits.drag_steps else Action.WARN
        if sum(swings) >= limits.drag_stop_steps:
            level = Action.SOFT_STOP
        self.levels[side] = level

    def _trip(
        self, side: int, name: str, toe: float, slowed: bool, pitch: float, found: list[Finding]
    ) -> None:
        limits = self._limits
        blocked = self._swinging[side] and toe > limits.trip_n and (slowed or self._tripping[side] > 0)
        self._tripping[side] = self._tripping[side] + 1 if blocked else 0
        if self._tripping[side] >= limits.trip_ticks and pitch > limits.trip_pitch_rad_s:
            found.append(Finding("F24b", Action.SOFT_STOP, f"{name} foot"))
