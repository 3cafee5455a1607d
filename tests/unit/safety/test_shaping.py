"""Windows of the active part: one test per limit, inherited by every joint, dense at the boundary."""

from __future__ import annotations

import numpy as np
import pytest

from exostride.conventions import JOINTS
from exostride.safety.limits import SafetyLimits
from exostride.safety.shaping import JointShaper
from exostride.types import Reason

PERIOD = 0.005
FULL = 1e6
"""Power that a full, endless tank would offer [W]."""


def around(value: float, span: float) -> np.ndarray:
    """Values on both sides of a boundary, dense at it."""
    near = np.array([-1e-6, -1e-9, 0.0, 1e-9, 1e-6])
    return np.concatenate([value + near, np.linspace(value - span, value + span, 11)])


class JointLimitTests:
    """Every joint inherits these; ``joint`` is set by the subclass."""

    joint = -1

    @pytest.fixture
    def own(self, limits: SafetyLimits):
        return limits.joints[self.joint]

    def window(self, limits, *, angle=0.3, speed=0.0, request=0.0, now=None, cap=1e9, cuff=0.0, offer=FULL):
        """Window for a drive that has been at ``now`` (or at the request) for long."""
        shaper = JointShaper(limits.joints[self.joint], limits, PERIOD)
        held = float(np.clip(request, -150, 150)) if now is None else now
        for _ in range(20):
            shaper._note(held)
        if self.joint % 3 == 2 and angle == 0.3:
            angle = 0.0
        shaper.window(angle, speed, request, held, cap, cuff, offer)
        assert shaper.low <= shaper.high
        return shaper

    @pytest.mark.parametrize("sign", [1, -1])
    def test_torque(self, limits, own, sign) -> None:
        for request in sign * around(own.torque_nm, 30.0):
            shaper = self.window(limits, request=request)
            assert -own.torque_nm <= shaper.low <= shaper.high <= own.torque_nm
            assert bool(shaper.bits & Reason.TORQUE_LIMIT) == (abs(request) > own.torque_nm)

    def test_cap_of_the_mode(self, limits, own) -> None:
        shaper = self.window(limits, request=20.0, now=0.0, cap=5.0)
        assert (shaper.low, shaper.high) == (-5.0, 5.0)
        assert shaper.bits & Reason.TORQUE_LIMIT

    @pytest.mark.parametrize("sign", [1, -1])
    def test_velocity(self, limits, own, sign) -> None:
        start = 0.8 * own.velocity_rad_s
        for speed in np.concatenate([around(start, 0.2), around(own.velocity_rad_s, 0.2)]):
            shaper = self.window(limits, speed=sign * speed, request=sign * own.torque_nm)
            along = shaper.high if sign > 0 else -shaper.low
            left = np.clip((own.velocity_rad_s - speed) / (0.2 * own.velocity_rad_s), 0, 1) * own.torque_nm
            assert along <= left + 1e-9
            if abs(speed - start) > 1e-12:
                assert bool(shaper.bits & Reason.VELOCITY_LIMIT) == (speed > start)
            against = -shaper.low if sign > 0 else shaper.high
            assert against >= -own.torque_nm

    @pytest.mark.parametrize("sign", [1, -1])
    def test_braking_is_free_at_any_speed(self, limits, own, sign) -> None:
        shaper = self.window(limits, speed=sign * 2 * own.velocity_rad_s, request=-sign * 30.0)
        assert (shaper.low if sign > 0 else -shaper.high) <= -30.0

    @pytest.mark.parametrize("sign", [1, -1])
    def test_power(self, limits, own, sign) -> None:
        for speed in np.linspace(0.51, 0.79 * own.velocity_rad_s, 23):
            for request in around(own.power_w / speed, 5.0):
                if request > own.torque_nm:
                    continue
                shaper = self.window(limits, speed=sign * speed, request=sign * request)
                along = shaper.high if sign > 0 else -shaper.low
                assert along * speed <= own.power_w + 1e-9
                assert bool(shaper.bits & Reason.POWER_LIMIT) == (request > own.power_w / speed)

    @pytest.mark.parametrize("sign", [1, -1])
    @pytest.mark.parametrize("speed", [0.0, 0.2, 0.5, 0.500001, 2.0])
    def test_tank(self, limits, own, sign, speed) -> None:
        for offer in (0.0, 1.0, 5.0):
            shaper = self.window(limits, speed=sign * speed, request=sign * 50.0, offer=offer)
            along = shaper.high if sign > 0 else -shaper.low
            if speed > 0.0:
                assert along * max(speed, 0.5) <= offer + 1e-9
                assert shaper.bits & Reason.ENERGY_TANK
            else:
                assert not shaper.bits & Reason.ENERGY_TANK

    @pytest.mark.parametrize("sign", [1, -1])
    def test_slew(self, limits, own, sign) -> None:
        step = own.slew_nm_s * PERIOD
        for now in (0.0, 10.0, -10.0):
            for request in now + sign * around(step, 3.0):
                shaper = self.window(limits, request=request, now=now)
                if now * sign >= 0.0:
                    outward = shaper.high - now if sign > 0 else now - shaper.low
                    assert outward == pytest.approx(step)
                assert bool(shaper.bits & Reason.SLEW_LIMIT) == (abs(request - now) > step)

    @pytest.mark.parametrize("sign", [1, -1])
    def test_letting_go_is_faster_but_stops_at_zero(self, limits, own, sign) -> None:
        release = limits.timing.release_nm_s * PERIOD
        for now in (5.0, 15.0, release, 30.0):
            shaper = self.window(limits, request=0.0, now=sign * now)
            inward = shaper.low if sign > 0 else -shaper.high
            assert inward == pytest.approx(min(max(0.0, now - release), now - own.slew_nm_s * PERIOD))

    @pytest.mark.parametrize("sign", [1, -1])
    def test_a_closed_window_forgets_what_was_carried_before(self, limits, own, sign) -> None:
        """After 50 ms without torque the way back is as long as from rest."""
        shaper = JointShaper(own, limits, PERIOD)
        for _ in range(10):
            shaper.window(0.0, 0.0, sign * 40.0, sign * 40.0, 1e9, 0.0, FULL)
        for _ in range(10):
            shaper.close(0.0)
            assert (shaper.low, shaper.high, shaper.bits) == (0.0, 0.0, 0)
        now = 0.0
        for _ in range(10):
            shaper.window(0.0, 0.0, sign * 1e3, now, 1e9, 0.0, FULL)
            now = shaper.high if sign > 0 else shaper.low
        assert abs(now) <= own.window_nm + 1e-9

    @pytest.mark.parametrize("sign", [1, -1])
    def test_bursts_cannot_pass_the_window(self, limits, own, sign) -> None:
        """A request at full slew is held within window_nm of every torque in the window."""
        shaper = JointShaper(own, limits, PERIOD)
        now, seen, hit = 0.0, [], False
        length = round(limits.timing.window_s / PERIOD)
        for _ in range(40):
            shaper.window(0.0 if self.joint % 3 == 2 else 0.3, 0.0, sign * 200.0, now, 1e9, 0.0, FULL)
            now = shaper.high if sign > 0 else shaper.low
            seen.append(now)
            hit = hit or bool(shaper.bits & Reason.WINDOW_LIMIT)
            recent = [0.0, *seen][-length:]
            assert max(recent) - min(recent) <= own.window_nm + 1e-9
        assert hit == (own.slew_nm_s * PERIOD * (length - 1) > own.window_nm)
        assert abs(now) == own.torque_nm

    @pytest.mark.parametrize("sign", [1, -1])
    def test_window_never_blocks_the_way_to_zero(self, limits, own, sign) -> None:
        shaper = JointShaper(own, limits, PERIOD)
        for value in np.linspace(0, own.window_nm, 10):
            shaper._recent.append(sign * float(value))
        shaper.window(0.0 if self.joint % 3 == 2 else 0.3, 0.0, 0.0, sign * own.window_nm, 1e9, 0.0, FULL)
        assert shaper.low <= sign * (own.window_nm - 20.0) <= shaper.high

    @pytest.mark.parametrize("side", ["high", "low"])
    def test_wall_takes_effort_away_outwards_only(self, limits, own, side) -> None:
        sign = 1 if side == "high" else -1
        edge = own.angle_max_rad if sign > 0 else own.angle_min_rad
        depth = own.wall_high_rad if sign > 0 else own.wall_low_rad
        for room in np.concatenate([around(0.0, 0.01), around(depth, 0.5 * depth)]):
            shaper = self.window(limits, angle=edge - sign * room, request=sign * own.torque_nm)
            outward = shaper.high if sign > 0 else -shaper.low
            inward = -shaper.low if sign > 0 else shaper.high
            assert outward <= np.clip(room / depth, 0, 1) * own.torque_nm + 1e-6
            assert inward >= -own.torque_nm
            if abs(room - depth) > 1e-7:
                assert bool(shaper.bits & Reason.SOFT_WALL) == (room < depth)

    @pytest.mark.parametrize("sign", [1, -1])
    def test_effort_shrinks_as_the_patient_opposes(self, limits, own, sign) -> None:
        last = own.torque_nm
        for cuff in np.linspace(own.comfort_nm - 5, own.cuff_nm + 5, 41):
            shaper = self.window(limits, request=sign * own.torque_nm, cuff=sign * cuff)
            along = shaper.high if sign > 0 else -shaper.low
            share = np.clip((own.cuff_nm - cuff) / (own.cuff_nm - own.comfort_nm), 0, 1)
            assert along <= share * own.torque_nm + 1e-9
            assert along <= last
            last = along
            if cuff > own.comfort_nm + 1e-6 and cuff < own.cuff_nm - 1e-6:
                assert shaper.bits & Reason.OPPOSED
            if cuff > own.cuff_nm + 1e-6:
                assert shaper.bits & Reason.CUFF_LIMIT
            if cuff < own.comfort_nm:
                assert not shaper.bits & (Reason.OPPOSED | Reason.CUFF_LIMIT)

    def test_opposing_leaves_the_yielding_direction(self, limits, own) -> None:
        shaper = self.window(limits, request=-own.torque_nm, cuff=own.cuff_nm + 10.0)
        assert shaper.low == -own.torque_nm

    def test_nothing_is_flagged_in_the_middle(self, limits) -> None:
        assert self.window(limits, request=5.0, speed=0.3).bits == 0


def _subclass(index: int, name: str) -> type:
    title = "Test" + name.title().replace("_", "")
    return type(title, (JointLimitTests,), {"joint": index})


for _index, _name in enumerate(JOINTS):
    _made = _subclass(_index, _name)
    globals()[_made.__name__] = _made
del _made
