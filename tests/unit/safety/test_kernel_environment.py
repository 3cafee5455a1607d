"""The kernel over belt and harness."""

from __future__ import annotations

import pytest
from kernel_bench import Bench, belt_order, env_state, permit
from safety_world import PERIOD

from exostride.safety.limits import SafetyLimits
from exostride.types import HarnessAction, Mode, Reason


class TestEnvironment:
    def test_limits_of_the_permit_and_of_the_machine(self, bench: Bench, limits: SafetyLimits) -> None:
        bench.train()
        k = bench.seq + 1
        out = bench.tick(belt=belt_order(k, 9.0, belt_acceleration_m_s2=9.0, unloading_percent=500.0))
        assert out.environment.belt_speed_m_s == limits.belt.speed_m_s
        assert out.environment.belt_acceleration_m_s2 == limits.belt.acceleration_m_s2
        assert out.reason & Reason.ENVIRONMENT_LIMIT
        out = bench.tick(belt=belt_order(k + 1, -1.0))
        assert out.environment.belt_speed_m_s == 0.0
        out = bench.tick(permit=permit(k + 2, belt_limit_m_s=0.2))
        assert out.environment.belt_speed_m_s == 0.2
        assert out.environment.belt_acceleration_m_s2 == limits.belt.stop_m_s2

    def test_an_order_to_rest_is_braked_whatever_its_ramp(self, bench: Bench, limits: SafetyLimits) -> None:
        bench.train()
        out = bench.tick(belt=belt_order(bench.seq + 1, 0.0, belt_acceleration_m_s2=0.0))
        assert out.environment.belt_speed_m_s == 0.0
        assert out.environment.belt_acceleration_m_s2 == pytest.approx(0.04 * limits.belt.acceleration_m_s2)
        assert out.reason & Reason.ENVIRONMENT_LIMIT
        out = bench.tick(belt=belt_order(bench.seq + 1, 2.0, belt_acceleration_m_s2=0.0))
        assert out.environment.belt_acceleration_m_s2 == 0.0, "nothing has to speed up"

    def test_unloading_changes_slowly_from_what_is_measured(self, limits: SafetyLimits) -> None:
        bench = Bench(limits)
        out = bench.tick(env=env_state(0, unloading_percent=12.0), mode=Mode.STAND)
        step = limits.belt.unloading_rate_percent_s * PERIOD
        assert out.environment.unloading_percent == pytest.approx(12.0 + step)
        assert bench.run(200, mode=Mode.STAND).environment.unloading_percent == pytest.approx(30.0)

    def test_stale_environment_command_stops_the_belt(self, bench: Bench, limits: SafetyLimits) -> None:
        bench.train()
        outs = [bench.tick(belt=None) for _ in range(4)]
        assert [o.environment.belt_speed_m_s for o in outs] == [0.5, 0.5, 0.0, 0.0]
        assert outs[2].reason & Reason.ENVIRONMENT_STALE
        assert outs[3].environment.harness_action == HarnessAction.HOLD
        assert outs[3].environment.unloading_percent == pytest.approx(30.0)

    @pytest.mark.parametrize("demand", list(HarnessAction))
    @pytest.mark.parametrize("wish", list(HarnessAction))
    def test_the_stronger_harness_action_wins(self, bench: Bench, demand: int, wish: int) -> None:
        bench.train(3)
        k = bench.seq + 1
        out = bench.tick(belt=belt_order(k, harness_action=wish), permit=permit(k, harness_action=demand))
        assert out.environment.harness_action == max(demand, wish)

    @pytest.mark.parametrize("speed", [0.5 + 0.1501, -0.0801])
    def test_contactor_opens_on_a_belt_out_of_control(self, bench: Bench, speed: float) -> None:
        bench.train()
        wrong = {"env": None}
        for n in range(6):
            wrong["env"] = env_state(bench.seq + 1, belt_speed_m_s=speed)
            out = bench.tick(**wrong)
            assert out.environment.belt_stop == (n >= 3)
        assert out.environment.belt_speed_m_s == 0.0
        assert out.reason & Reason.ENVIRONMENT_LIMIT and out.reason & Reason.FALLBACK
        assert bench.run(100).environment.belt_stop
        assert not bench.tick(mode=Mode.ZERO).environment.belt_stop

    @pytest.mark.parametrize("speed", [0.5 + 0.1499, -0.0799])
    def test_contactor_stays_closed_inside_the_band(self, bench: Bench, speed: float) -> None:
        bench.train()
        for _ in range(20):
            out = bench.tick(env=env_state(bench.seq + 1, belt_speed_m_s=speed))
        assert not out.environment.belt_stop

    def test_a_short_excess_is_forgiven(self, bench: Bench) -> None:
        bench.train()
        for _ in range(5):
            for speed in (0.9, 0.9, 0.9, 0.5):
                out = bench.tick(env=env_state(bench.seq + 1, belt_speed_m_s=speed))
        assert not out.environment.belt_stop

    def test_a_belt_that_slows_as_told_is_no_fault(self, bench: Bench, limits: SafetyLimits) -> None:
        bench.train()
        speed = 0.5
        for _ in range(300):
            speed = max(0.0, speed - 0.8 * limits.belt.stop_m_s2 * PERIOD)
            out = bench.tick(mode=Mode.DAMP, env=env_state(bench.seq + 1, belt_speed_m_s=speed))
        assert not out.environment.belt_stop

    def test_a_belt_that_does_not_slow_is(self, bench: Bench) -> None:
        bench.train()
        ticks = 0
        while not bench.tick(
            mode=Mode.DAMP, env=env_state(bench.seq + 1, belt_speed_m_s=0.5)
        ).environment.belt_stop:
            ticks += 1
        assert 0.15 < ticks * PERIOD < 0.5
