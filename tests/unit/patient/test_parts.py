"""Parts of the virtual patient: tissue, muscles, reflexes, rhythm, schema."""

import numpy as np
import pytest

from exostride.errors import ConfigError, InputError
from exostride.patient.interface import PatientSense
from exostride.patient.muscles import Muscles, activate
from exostride.patient.passive import passive_moment
from exostride.patient.physiology import EffortLevel, trying
from exostride.patient.policy import FIELDS, SIZE, pack, unpack
from exostride.patient.profile import Effort, PatientProfile
from exostride.patient.profiles import default_plans, load_patient, load_profile, patient_names
from exostride.patient.reflexes import ClonusBursts, FlexorSpasms, StretchReflexes
from exostride.patient.rhythm import Rhythm, Stage

T = 0.005


def profile(**changes):
    return PatientProfile.model_validate({"name": "x", "description": "x", **changes})


def left(**changes):
    return profile(left=changes)


def standing(**changes):
    force = np.zeros(6)
    force[[2, 5]] = 353.0
    return PatientSense(0.0, ground_force_n=force, pelvis_position_m=np.array([0.0, 0.0, 0.945]), **changes)


# ---------------------------------------------------------------- tissue


def test_passive_stiffness_is_the_slope_of_the_moment():
    rng = np.random.default_rng(3)
    for _ in range(50):
        q = np.radians(rng.uniform([-20, 0, -35], [90, 100, 20]))
        moment, stiffness = passive_moment(q)
        step = 1e-6
        slope = [-(passive_moment(q + step * np.eye(3)[j])[0][j] - moment[j]) / step for j in range(3)]
        np.testing.assert_allclose(stiffness, np.maximum(slope, 0.0), rtol=1e-3, atol=1e-2)


def test_tissue_resists_the_ends_of_the_range():
    assert passive_moment(np.radians([0.0, 0.0, 20.0]))[0][2] < -20.0  # dorsiflexion: plantarflexing
    assert passive_moment(np.radians([-20.0, 0.0, 0.0]))[0][0] > 15.0  # hip extension: flexing
    straight, bent = (passive_moment(np.radians([0.0, k, 15.0]))[0][2] for k in (0.0, 40.0))
    assert straight < bent < 0.0  # gastrocnemius slackens with the knee


# ---------------------------------------------------------------- muscles


STILL = np.zeros((2, 4))


def run_muscles(m, torque, ticks=400):
    out = []
    for k in range(ticks):
        value, rate = torque(k * T)
        drive = activate(*m.volition(), np.full((2, 4), value), np.full((2, 4), rate), np.ones(2))
        out.append(m.contract(drive, STILL)[0].copy())
    return np.array(out)


def wave(t):
    return 40.0 * np.sin(4 * t), 160.0 * np.cos(4 * t)


def test_healthy_muscles_give_what_is_meant():
    out = run_muscles(Muscles(profile(), T), wave)
    meant = np.array([wave(k * T)[0] for k in range(400)])
    assert np.abs(out[50:, 0, 2] - meant[50:]).max() < 2.0


def test_healthy_muscles_let_a_drive_through_bit_by_bit():
    drive = np.random.default_rng(5).uniform(-40.0, 40.0, (2, 4))
    m = Muscles(profile(), T)
    torque, gain = m.contract(drive, 3.0 * drive)
    np.testing.assert_array_equal(torque, drive)
    np.testing.assert_array_equal(gain, np.ones((2, 4)))


def test_weakness_acts_by_side_and_direction():
    side = {"strength": {"dorsiflexion": 0.5}, "preserved": 0.0}
    weak = Muscles(profile(left=side, fatigue={"factor": 0.0}), T)
    out, full = run_muscles(weak, wave), run_muscles(Muscles(profile(), T), wave)
    lifting = full[:, 0, 3] * 0.5
    np.testing.assert_allclose(out[:, 0, 3].clip(min=0), lifting.clip(0, 0.5 * 0.7 * 72.0), rtol=1e-12)
    np.testing.assert_array_equal(out[:, 0, 3].clip(max=0), full[:, 0, 3].clip(max=0))
    np.testing.assert_array_equal(out[:, 1], full[:, 1])


def test_a_dropped_foot_stands_firm_but_cannot_be_lifted():
    m = Muscles(left(strength={"dorsiflexion": 0.03}, preserved=0.0), T)
    leaning = np.zeros((2, 4))
    leaning[0, 3] = -60.0
    torque, gain = m.contract(leaning, STILL)
    assert torque[0, 3] == -60.0 and gain[0, 3] == 1.0
    torque, gain = m.contract(-leaning, STILL)
    assert torque[0, 3] < 2.0 and gain[0, 3] < 0.1


def test_a_paretic_muscle_holds_and_yields_but_cannot_shorten_quickly():
    weak = Muscles(left(strength={"knee_extension": 0.4}), T)

    def gain(knee_velocity):
        drive, velocity = np.full((2, 4), -50.0), np.full((2, 4), knee_velocity)
        return weak.contract(drive, velocity)[1][0, 2]

    assert gain(2.0) == gain(0.0) == 1.0
    assert gain(-0.5) == pytest.approx(0.7)
    assert gain(-1.0) == gain(-3.0) == pytest.approx(0.4)


def test_no_muscle_goes_beyond_its_capacity():
    weak = Muscles(left(strength={"plantarflexion": 0.4}), T)
    torque = weak.contract(np.full((2, 4), -1e4), STILL)[0]
    assert torque[:, 3] == pytest.approx([-0.4 * 2.6 * 72.0, -2.6 * 72.0])


def test_delay_and_slowness_make_volition_late():
    def lag_s(p):
        m = Muscles(p, T)
        out = []
        for k in range(400):
            value, rate = wave(k * T)
            drive = activate(*m.volition(), np.full((2, 4), value), np.full((2, 4), rate), np.ones(2))
            out.append(drive[0, 1])
        meant = np.array([wave(k * T)[0] for k in range(400)])[100:]
        late = np.array(out)[100:]
        scores = [np.corrcoef(late[30:], meant[30 - n : len(meant) - n])[0, 1] for n in range(30)]
        return int(np.argmax(scores)) * T

    assert lag_s(profile()) <= T
    assert lag_s(left(delay_s=0.04)) == pytest.approx(0.04, abs=T)
    assert lag_s(left(slowness=3.0)) >= 0.04


def test_tired_muscles_give_less_and_recover():
    m = Muscles(profile(fatigue={"factor": 20.0}), T)
    most = np.full((2, 4), 1e4)
    fresh = m.contract(most, STILL)[0][0, 2]
    for _ in range(4000):
        m.contract(most, STILL)
    tired = m.contract(most, STILL)[0][0, 2]
    assert tired < 0.7 * fresh
    for _ in range(8000):
        m.contract(STILL, STILL)
    assert m.contract(most, STILL)[0][0, 2] > 1.1 * tired


def test_fatigue_takes_drive_from_the_weak_only():
    side = {"strength": {"knee_flexion": 0.5}, "preserved": 0.0}
    m = Muscles(profile(left=side, fatigue={"factor": 20.0}), T)
    drive = np.full((2, 4), 4.0)
    assert m.contract(drive, STILL)[0][:, 2].tolist() == [2.0, 4.0]
    for _ in range(4000):
        m.contract(np.full((2, 4), 1e4), STILL)
    weak, strong = m.contract(drive, STILL)[0][:, 2]
    assert weak < 1.5 and strong == 4.0


# ---------------------------------------------------------------- reflexes


def test_stretch_reflex_resists_fast_stretch_late_and_only_on_its_side():
    p = left(spasticity={"knee_extensors": {"gain_nms_rad": 5.0, "threshold_rad_s": 1.0, "delay_s": 0.03}})
    r = StretchReflexes(p, T)
    velocity = np.zeros((2, 3))
    velocity[:, 1] = 3.0
    out = np.array([r.step(np.zeros((2, 3)), velocity) for _ in range(20)])
    assert (out[:6] == 0).all()
    assert out[-1, 0, 1] == pytest.approx(-10.0)
    assert (out[:, 1] == 0).all()
    slow = StretchReflexes(p, T)
    assert all((slow.step(np.zeros((2, 3)), 0.3 * velocity) == 0).all() for _ in range(20))


def test_clonus_needs_a_quick_stretch_under_load_and_dies_away():
    c = ClonusBursts(load_profile("spastic").left.clonus, T)
    assert c.step(9.0, 0.0) == 0.0
    burst = [c.step(9.0 if k == 0 else 0.0, 0.5) for k in range(260)]
    assert min(burst) < -5.0 and max(burst) <= 0.0
    assert burst[-1] == 0.0


def test_spasms_come_by_seed():
    p = profile(spasms={"rate_per_min": 20.0, "torque_nm": 30.0})

    def sequence(seed):
        s = FlexorSpasms(p, T, seed)
        return np.array([s.step() for _ in range(6000)])

    first = sequence(1)
    assert first.max() == pytest.approx(30.0, rel=1e-3)
    np.testing.assert_array_equal(first, sequence(1))
    assert (first != sequence(2)).any()


# ---------------------------------------------------------------- rhythm, effort


def test_rhythm_starts_walks_and_stops():
    r = Rhythm(T)
    both = np.array([0.5, 0.5])
    for _ in range(200):
        r.step(0.0, both, 2.0, 0.5)
    assert r.stage is Stage.STANDING and r.blend == 0.0
    for _ in range(600):
        r.step(0.3, both, 2.0, 0.5)
    assert r.stage is Stage.WALKING and r.blend == 1.0
    for _ in range(600):
        r.step(0.0, both, 2.0, 0.5)
    assert r.stage is Stage.STANDING and r.blend == 0.0


def test_the_first_step_can_be_made_by_either_leg():
    def start(first_leg):
        r = Rhythm(T, first_leg)
        while r.stage is not Stage.WALKING:
            r.step(0.3, np.array([0.5, 0.5]), 2.0, 0.5)
        return r.phases()

    np.testing.assert_allclose(start(0), start(1)[::-1])
    assert start(1)[0] < 0.5 < start(1)[1]


def test_heel_strike_sets_the_phase_right():
    r = Rhythm(T)
    r.begin(0.9)
    r.step(1.0, np.array([0.0, 0.6]), 1.0, 1.0)
    before = r.phase
    r.step(1.0, np.array([0.3, 0.6]), 1.0, 1.0)
    assert r.struck[0] and before < 0.93
    assert abs(r.phases()[0]) < 1e-9 or r.phases()[0] > 1 - 1e-9


def strides_at(effort, error_deg, n):
    for _ in range(n):
        effort.feel(np.radians(np.tile(error_deg, (4, 1)).T), np.ones(2))
        effort.stride(0)
        effort.stride(1)


def test_effort_slacks_without_error_and_returns_with_it_leg_by_leg():
    e = EffortLevel(Effort(retention=0.9, gain=0.3, floor=0.4))
    strides_at(e, [0.0, 10.0], 30)
    assert e.level == pytest.approx([0.4, 1.0])
    strides_at(e, [10.0, 10.0], 10)
    assert e.level.min() > 0.9
    tolerant = EffortLevel(Effort(retention=0.9, gain=1.0, tolerance_deg=5.0))
    strides_at(tolerant, [4.9, 4.9], 1)
    assert tolerant.level == pytest.approx(0.9)
    never = EffortLevel(Effort())
    strides_at(never, [0.0, 0.0], 5)
    assert (never.level == 1.0).all()


def test_effort_is_given_back_in_swing_only():
    e = EffortLevel(Effort(start=0.4))
    np.testing.assert_allclose(trying(e.level, np.array([1.0, 0.0])), [0.4, 1.0])
    e = EffortLevel(Effort(retention=0.9, gain=0.3))
    e.feel(np.full((2, 4), np.radians(10.0)), np.array([0.0, 1.0]))
    e.stride(0)
    e.stride(1)
    assert e.level == pytest.approx([1.0, 1.0])


# ---------------------------------------------------------------- files


def test_every_profile_loads_and_acts_finitely():
    assert {"unimpaired", "child", "spastic", "foot_drop", "paraparetic"} <= set(patient_names())
    for name in patient_names():
        patient, body = load_patient(name, T, 1)
        for k in range(50):
            action = patient.step(k * T, standing(belt_speed_m_s=0.3))
            for drive in (action.active, action.passive):
                assert np.isfinite(drive.torque_nm).all() and (drive.stiffness_nm_rad >= 0).all()
        assert body.mass_kg > 20


def test_same_seed_same_patient():
    def torques():
        patient, _ = load_patient("hemiparetic_left_severe", T, 5)
        return [patient.step(k * T, standing(belt_speed_m_s=0.4)).active.torque_nm for k in range(200)]

    np.testing.assert_array_equal(torques(), torques())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "name: a\ndescription: b\nleft: {strength: {hip_flexion: 1.5}}\n",
            r"left\.strength\.hip_flexion = 1\.5",
        ),
        ("name: a\ndescription: b\nangle: 3\n", "angle: unknown key"),
        ("name: a\ndescription: b\nbody: {height_m: 3.0}\n", r"body\.height_m"),
        ("name: a\ndescription: b\nlimits: [3]\n", "limits"),
    ],
)
def test_bad_profile_is_one_clear_line(tmp_path, text, message):
    path = tmp_path / "p.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        load_profile(str(path))
    assert "\n" not in str(caught.value)


def test_unknown_patient_lists_those_there_are():
    with pytest.raises(InputError, match=r"unknown patient 'nobody'; available: .*unimpaired"):
        load_profile("nobody")


def test_policy_packs_and_unpacks():
    flat = np.linspace(0.1, 1.0, SIZE).round(6)
    np.testing.assert_allclose(pack(unpack(flat), "x"), flat)
    assert set(unpack(flat)) == set(FIELDS)
    with pytest.raises(ConfigError, match="policy needs exactly"):
        pack({"lean": [0.0]}, "x")


def test_plan_is_continuous_over_the_cycle_and_between_speeds():
    plan = default_plans()[0]
    place = plan.bracket(0.38)
    np.testing.assert_allclose(plan.rows(place, 0.0, 0.5), plan.rows(place, 1.0 - 1e-9, 0.5), atol=1e-3)
    at = plan.froude[2]
    np.testing.assert_allclose(
        plan.rows(plan.bracket(at - 1e-9), 0.3, 0.8), plan.rows(plan.bracket(at + 1e-9), 0.3, 0.8), atol=1e-6
    )
