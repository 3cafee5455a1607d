"""F22 and F24b: a spasm or an obstacle, told from walking by the torque of the walker's own joints."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

from exostride.conventions import SIDES
from exostride.safety import codes
from exostride.safety.detect_sensors import joint_names
from exostride.safety.expected import ExpectedTorque, signals
from exostride.safety.faults import Finding
from exostride.safety.intake import PLACES
from exostride.safety.limits import SafetyLimits
from exostride.safety.rhythm import Rhythm
from exostride.safety.snapshot import Snapshot
from exostride.safety.walker import Walker, WalkerTorque
from exostride.types import Action

BINS = 20
"""Bins of the gait cycle in which the spread of what is not expected is learned."""
_PASSES = 5
"""Passes through a bin after which its mean and variance stand for this walker."""
_DOUBT = 8.0
"""Variance of few passes is itself uncertain: it counts (1 + this / passes) times."""
_MEMORY = 8
"""Passes that a mean remembers."""
_LOAD_N = (20.0, 40.0)
"""Load [N] below which a foot counts as lifted, and above which as standing."""
_PACE_M_S = 0.1
"""Another walking speed is another course: it is learned anew."""
_STANDING = 2 * BINS
"""The bin of quiet standing."""
_STANDING_PASS_S = 0.2
"""What counts as a pass through it."""
_UNKNOWN = -1
_STEPS_ASTRAY = 2
"""Changes of the foot, to the ground and off it, after which a leg that was out of step is judged again."""
_CALM = (Action.NONE, Action.NONE, Action.NONE)
_FORCE = PLACES["foot_force_n"]
_NEEDED = codes.HAS_CUFF | codes.HAS_WRENCH | codes.HAS_PELVIS | codes.HAS_SEGMENT


class Spread:
    """Mean and variance of a joint's signal in one bin over passes; a pass counts once, by its mean."""

    __slots__ = ("count", "mean", "passes", "square", "total", "variance")

    def __init__(self) -> None:
        self.passes = 0
        self.mean = self.variance = 0.0
        self.clear()

    def clear(self) -> None:
        """Drop what the present pass has gathered."""
        self.count, self.total, self.square = 0, 0.0, 0.0

    def gather(self, value: float) -> None:
        """Take one sample of the present pass in."""
        self.count += 1
        self.total += value
        self.square += value * value

    def close(self) -> None:
        """End the pass and learn from it."""
        if self.count == 0:
            return
        mean = self.total / self.count
        within = max(self.square / self.count - mean * mean, 0.0)
        self.clear()
        self.passes += 1
        share = 1.0 / min(self.passes, _MEMORY)
        off = mean - self.mean
        self.mean += share * off
        # How much strides differ, but never less than the signal moves within the bin.
        self.variance += share * (max(off * off * (1.0 - share), within) - self.variance)

    def bounds(self, least: float, deviations: float) -> tuple[float, float]:
        """Return between what this walker's signal lies: ``least`` or more about the mean."""
        width = max(least, deviations * sqrt(self.variance * (1.0 + _DOUBT / self.passes)))
        return self.mean - width, self.mean + width


class Leg:
    """One leg's unexpected torque: fast part, and between what it lies in each bin of this walker's stride.

    Walking: torque less what is expected (:mod:`exostride.safety.expected`), less its own slow average.
    Standing, and before this walker is known: torque less its slow average.
    """

    def __init__(self, limits: SafetyLimits, period_s: float) -> None:
        body = limits.detect.body
        self._least = (body.spasm_hip_nm, body.spasm_knee_nm, body.spasm_ankle_nm)
        self._deviations, self._first = body.spasm_sd, body.spasm_first
        self._gain = period_s / (body.spasm_s + period_s)
        self._impact = max(1, round(body.spasm_impact_s / period_s))
        self._stride = round(_STANDING_PASS_S / period_s)
        self._trip = body.trip_nm
        self._lost = body.spasm_lost
        self._needed, self._stop = body.spasm_ticks, body.spasm_stop
        self._lasting = body.spasm_lasts_s / period_s
        self.lifted = False
        self.away: list[float] = [0.0] * 3
        """Fast part of the unexpected torque [N m]."""
        self.trips = 0
        """Ticks of a torque that only an obstacle before the lifted foot makes."""
        self.known = False
        """Whether :attr:`away` is against this walker's own course."""
        self.provoked = False
        """Whether this leg's drives did not follow when its torque left the bounds."""
        self.lost = False
        """Whether the walker is not on their course, and was not before the torque left the bounds."""
        self._quiet = 0
        self.start()
        self.forget()

    def forget(self) -> None:
        """Forget the walker's course."""
        self._expected = ExpectedTorque()
        self._spreads = [[Spread() for _ in range(_STANDING + 1)] for _ in self._least]
        self._strange = [0] * _STANDING
        """Strides in a row in which the foot was in a bin in which it never is."""
        self._astray = 0
        """Changes of the foot until the leg is believed to be where its phase says."""
        self._place = _UNKNOWN
        """The bin that the phase tells, whether it is believed or not."""
        self._been: dict[int, bool] = {}
        """What that has been in this pass through a part of the stride, and whether the leg was in step."""
        self._here: list[Spread] | None = None
        """Those of the present bin, None where nothing is learned."""
        self._slow_off: list[float] | None = None
        self.bin = _UNKNOWN
        self.bounds = [self._bounds(i) for i in range(len(self._least))]
        """Per joint, between what it may be, and how many times as far is too far at once."""

    def start(self) -> None:
        """Begin anew after a gap in the measurements."""
        self._slow: list[float] | None = None
        self._slow_off = None
        self._stood = 0
        self._ticks = [0, 0, 0]
        self._far = [0, 0, 0]
        self._spent = [0.0, 0.0, 0.0]
        self._outside = self.lost = False

    def foot(self, load_n: float) -> None:
        """Note whether the foot is lifted; after that has changed nothing is judged for a while."""
        now = load_n < _LOAD_N[self.lifted]
        if now != self.lifted:
            self._quiet = self._impact
            self._astray = max(0, self._astray - 1)
        else:
            self._quiet = max(0, self._quiet - 1)
        self.lifted = now

    def step(self, torque: list[float], signal: list[float], phase: float | None, standing: bool) -> None:
        """Take one tick in; ``phase`` is None when the leg does not walk."""
        self.away, self._slow = self._parted(torque, self._slow)
        hip, knee, _ = self.away
        self.trips = self.trips + 1 if self.lifted and -hip > self._trip and knee > self._trip else 0
        believed = None if self._astray else phase
        unexpected = None
        if believed is None:
            self._expected.pause()
        else:
            unexpected = self._expected.step(torque, signal, believed, self.lifted)
        self.known = unexpected is not None
        place = _UNKNOWN if phase is None else int(phase * BINS) % BINS + (BINS if self.lifted else 0)
        if unexpected is None:
            self._follow(_STANDING if standing and believed is None else _UNKNOWN)
            self._slow_off = None
        else:
            self.away, self._slow_off = self._parted(unexpected.tolist(), self._slow_off)
            self._follow(place)
        self._keep_step(place)

    def _parted(self, now: list[float], slow: list[float] | None) -> tuple[list[float], list[float]]:
        """Return the part of three torques that is faster than their slow average, and that average."""
        a, b, c = now
        la, lb, lc = slow or now
        away, gain = [a - la, b - lb, c - lc], self._gain
        return away, [la + gain * away[0], lb + gain * away[1], lc + gain * away[2]]

    def judge(self, pressed: bool, lost: bool) -> tuple[Action, Action, Action]:
        """Return how far each joint is beyond its bounds, and learn from this tick.

        ``pressed`` is whether a drive of this leg was asked for more than it gave, or is off its course;
        ``lost`` whether the walker lost their rhythm.

        While a foot meets or leaves the belt nothing is judged. As across a gap, what was beyond its bounds
        before goes on counting after, so that a spasm at toe-off is not told later for the change of foot.
        """
        if self._quiet > 0:
            return _CALM
        if not self._outside:
            # What goes on beyond the bounds as the rhythm is lost may be why it is.
            self.lost = lost
        inside = True
        for value, (low, high, _) in zip(self.away, self.bounds, strict=True):
            inside = inside and low <= value <= high
        if not inside:
            levels = self._beyond(0), self._beyond(1), self._beyond(2)
        else:
            levels = _CALM
            if self._outside:
                self._ticks, self._far, self._spent = [0, 0, 0], [0, 0, 0], [0.0, 0.0, 0.0]
        if not inside and self.known:
            # Else a spasm that comes back at the same phase would soon be this walker's own course. Who
            # really walks otherwise now widens the bounds first, and is learned then.
            self._expected.unlearn()
        # What began before a drive was pressed is no answer to it: only the first tick beyond tells.
        self.provoked = not inside and (self.provoked if self._outside else pressed)
        self._outside = not inside
        if self._here is not None:
            for spread, value, (low, high, _) in zip(self._here, self.away, self.bounds, strict=True):
                # A walker who becomes unsteadier by and by is learned, a single outburst hardly.
                spread.gather(low if value < low else (high if value > high else value))
        return levels

    def _beyond(self, i: int) -> Action:
        """Count the ticks of a joint beyond its bounds and far beyond them; return what follows.

        What lasts is weighed by how far beyond the bounds it is: they are a guess at what this walker may do,
        and who is a little beyond them for a while may just do so.
        """
        value, (low, high, stop) = self.away[i], self.bounds[i]
        half = 0.5 * (high - low)
        times = abs(value - 0.5 * (low + high)) / half
        if not low <= value <= high:
            self._ticks[i] += 1
            self._spent[i] += times - 1.0
        else:
            self._ticks[i], self._spent[i] = 0, 0.0
        if self.lost:
            stop = min(max(stop, self._lost), self._first * self._least[i] / half)
        self._far[i] = self._far[i] + 1 if times > stop else 0
        lasts = self._spent[i] >= self._lasting and self._ticks[i] > self._needed and not self.lost
        if self._far[i] >= self._needed or lasts:
            return Action.SOFT_STOP
        return Action.REDUCE if self._ticks[i] >= self._needed else Action.NONE

    # ------------------------------------------------------------------ what is ordinary

    def _follow(self, bin_: int) -> None:
        """Enter a bin, and learn from the last pass through it; standing still ends one now and then.

        A pass counts only when the next begins: else a spasm would widen the bounds of the bin it goes on in.
        """
        self._stood = self._stood + 1 if bin_ == _STANDING else 0
        if bin_ == self.bin and (bin_ != _STANDING or self._stood % self._stride):
            return
        self.bin = bin_
        self._here = None if bin_ == _UNKNOWN else [spreads[bin_] for spreads in self._spreads]
        for spread in self._here or ():
            spread.close()
        self.bounds = [self._bounds(i) for i in range(len(self._least))]

    def _keep_step(self, place: int) -> None:
        """Ask, as the leg comes to another bin by its phase, whether the foot is ever so in that one.

        It is asked of a leg that is out of step already, too: after a heel that came late the toe comes late.
        """
        if place == self._place:
            return
        before, self._place = self._place, place
        if _UNKNOWN in (before, place) or (place - before) % BINS:
            if list(self._been.values()) == [True]:
                # A pass with the foot both ways, one after the other, says nothing against either.
                self._strange[(before + BINS) % _STANDING] = 0
            self._been = {}
        if place == _UNKNOWN:
            return
        strange = self._never_here(place, (place + BINS) % _STANDING)
        if strange and place not in self._been:
            self._strange[place] += 1
        self._been.setdefault(place, not strange and not self._astray)
        if not strange:
            return
        self._astray = _STEPS_ASTRAY
        if self.known:
            # Nor is this tick to be learned as part of the course.
            self._here, self.known = None, False
            self._expected.unlearn()

    def _never_here(self, bin_: int, other: int) -> bool:
        """Return whether the foot stands where in the stride it is always in the air, or the reverse.

        ``other`` is the same part of the stride with the foot otherwise. Some strides in a row in which it
        was so make it this walker's way.
        """
        if self._strange[bin_] >= _PASSES or self._settled(0, other) is None:
            return False
        start = bin_ - bin_ % BINS
        return all(self._settled(0, start + (bin_ + k) % BINS) is None for k in (-1, 0, 1))

    def _settled(self, i: int, bin_: int) -> Spread | None:
        spread = self._spreads[i][bin_]
        return spread if spread.passes >= _PASSES else None

    def _bounds(self, i: int) -> tuple[float, float, float]:
        """Return the widest bounds of the bin and the two beside it; of a walker not known, the first."""
        least, deviations = self._least[i], self._deviations
        first = self._first * least
        bin_ = self.bin
        spread = self._settled(i, bin_) if bin_ != _UNKNOWN else None
        if spread is None:
            return -first, first, 1.0
        low, high = spread.bounds(least, deviations)
        if bin_ != _STANDING:
            start = bin_ - bin_ % BINS
            for place in (start + (bin_ + 1) % BINS, start + (bin_ - 1) % BINS):
                beside = self._settled(i, place)
                if beside is not None:
                    down, up = beside.bounds(least, deviations)
                    low, high = min(low, down), max(high, up)
        return max(low, -first), min(high, first), self._stop


class SpasmDetector:
    """F22: a joint torque of the walker that rises faster and further than this walker's walking does.

    The signal is the walker's own torque (:mod:`exostride.safety.walker`), so that what the robot does
    (a push, a lock released) is no spasm; of it, what this walker's course over the stride and their answers
    to being off it do not explain (:mod:`exostride.safety.expected`); of that, the part faster than
    ``spasm_s``. Its mean and variance are learned per joint, phase and whether the foot stands, and a spasm
    leaves the widest bounds of its bin and the two beside it for ``spasm_ticks``: the robot gives way
    (REDUCE). If it goes ``spasm_stop`` times as far it is a SOFT_STOP, and so it is if it lasts: for
    ``spasm_lasts_s`` at twice the bounds, and for so much longer as it is less beyond them.
    Before a bin has been passed :data:`_PASSES` times, when the phase is not known, and at another walking
    speed the bounds are ``spasm_first`` times as wide as the least, beyond what able-bodied legs do. For
    ``spasm_impact_s`` after a foot has met or left the belt nothing is judged. Who has lost their rhythm
    (:class:`exostride.safety.rhythm.Rhythm`) is off their course for a stride: the robot gives way as before,
    but stops only for what goes ``spasm_lost`` times as far. A foot that is still in the air at a phase at
    which it has always stood, or the reverse, is not where its phase says: until it has changed twice since,
    its leg is one whose phase is not known.

    An obstacle before a swinging foot shows in the same signal: a force F backwards at depth h below the hip
    and l below the knee extends the hip by F h and flexes the knee by F l, opposite signs that a flexor or an
    extensor spasm of the leg does not have. That is a trip, F24b: beyond the bounds of a known walker, and of
    anybody beyond ``trip_nm``.

    A walker whose foot is caught by the ground in its swing saves themselves with both legs: that is F24b,
    too. And a leg that is pushed by a law that asks for more than the machine gives answers. Where a drive of
    the leg did not follow already as its torque left the bounds, the law is at fault, and it is told as F17.
    The pelvis carries the push to the other leg: its answer is told so for as long as the drive's failure to
    follow is too young to be told by itself.

    A tick without one of the measurements is bridged, as the joints' are: nothing is judged in it, and what
    was counted before still counts. After ``missing_ticks`` of them the observer starts anew.
    """

    def __init__(self, limits: SafetyLimits, period_s: float, walker: Walker) -> None:
        body = limits.detect.body
        self._torque = WalkerTorque(walker, period_s, body.spasm_hz)
        self._needed = body.spasm_ticks
        self._handover = round(limits.timing.handover_s / period_s)
        self._legs = [Leg(limits, period_s) for _ in SIDES]
        self._rhythm = Rhythm(limits.detect.messages.phase_jump, period_s)
        self._young = max(1, round(limits.detect.drives.tracking_reduce_s / period_s))
        self._unfollowed = [0, 0]
        """Ticks for which a drive of each leg has not followed."""
        self._settle = self._gap = 0
        self._bridge = limits.detect.sensors.missing_ticks
        self._speed: float | None = None

    def step(
        self,
        snap: Snapshot,
        found: list[Finding],
        unfollowed: Sequence[bool] = (),
        caught: bool = False,
    ) -> None:
        """Append the joints in spasm.

        ``unfollowed`` are those whose drives do not follow (F17), ``caught`` is whether a swinging foot has
        just met the ground (F24a).
        """
        exo, cuff = snap.exo, snap.cuff
        for side in (0, 1):
            stuck = any(unfollowed[3 * side : 3 * side + 3])
            self._unfollowed[side] = self._unfollowed[side] + 1 if stuck else 0
        if cuff is None or exo.foot_valid != 0b11 or exo.available & _NEEDED != _NEEDED:
            self._gap += 1
            if self._gap >= self._bridge:
                self._settle = 0
            return
        since, self._gap = self._gap + 1, 0
        if self._settle == 0:
            self._torque.reset()
            for leg in self._legs:
                leg.start()
        torque = self._torque.step(snap.values, snap.pitch, cuff, since)
        self._settle += 1
        if self._settle <= self._torque.settle_ticks:
            return
        self._pace(snap)
        phases, standing = self._rhythm.step(snap), self._stands(snap)
        left, right, pelvis = signals(snap.values, snap.pitch)
        own = (left + right + pelvis, right + left + pelvis)
        force = snap.values[_FORCE]
        for side, leg in enumerate(self._legs):
            leg.foot(force[3 * side + 2])
            leg.step(torque[3 * side : 3 * side + 3], own[side], phases[side], standing)
            pressed = self._unfollowed[side] > 0 or 0 < self._unfollowed[1 - side] <= self._young
            levels = leg.judge(pressed, self._rhythm.lost)
            if (levels is not _CALM or leg.trips >= self._needed) and (snap.driven or standing):
                self._tell(side, leg, levels, (snap.driven, caught), found)

    def _tell(
        self,
        side: int,
        leg: Leg,
        levels: tuple[Action, Action, Action],
        now: tuple[bool, bool],
        found: list[Finding],
    ) -> None:
        driven, caught = now
        level = max(levels)
        hip, knee, _ = leg.away
        both = min(levels[:2]) > Action.NONE or level == Action.SOFT_STOP
        odd = both and leg.lifted and hip < 0.0 < knee
        mask = sum(1 << 3 * side + i for i, one in enumerate(levels) if one == level)
        if leg.provoked and level > Action.NONE:
            found.append(Finding("F17", level, joint_names(mask)))
            return
        if driven and (odd or leg.trips >= self._needed):
            sure = not leg.lost or leg.trips >= self._needed
            found.append(Finding("F24b", Action.SOFT_STOP if sure else level, f"{SIDES[side]} foot"))
            return
        if level == Action.NONE:
            return
        found.append(Finding("F24b" if caught else "F22", level, joint_names(mask)))

    # ------------------------------------------------------------------ where in the walk

    def _pace(self, snap: Snapshot) -> None:
        speed = snap.environment.belt_speed_m_s
        if self._speed is None:
            self._speed = speed
        elif abs(speed - self._speed) > _PACE_M_S:
            self._speed = None
            for leg in self._legs:
                leg.forget()

    def _stands(self, snap: Snapshot) -> bool:
        return snap.state == codes.IN_STAND and snap.ticks_in_state > self._handover
