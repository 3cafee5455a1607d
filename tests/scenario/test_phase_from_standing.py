"""The default estimator in the first, uneven strides of a virtual patient who starts from standing."""

import numpy as np
import pytest

from exostride.bench.control_rig import Rig, RigSetup

WALK_S = 10.0
LATER_S = 6.0


def walk(patient, speed_m_s):
    """Return times since the patient's first step, errors (N, 2) [cycle] and confidences (N, 2).

    The patient's own rhythm is the truth; only this test sees it. The supervisor is left out: what it
    makes of the walk is not judged here.
    """
    settings = {"belt_speed_m_s": speed_m_s, "unloading_percent": 30.0}
    rig = Rig(RigSetup("transparent", patient, seed=1, stand_s=4.0, settings=settings))
    rows = []
    begun = None
    while begun is None or rig.seq * rig.period_s < begun + WALK_S + LATER_S:
        tick = rig.step()
        truth = tick.truth.phase
        if begun is None and rows and tick.reading.environment.belt_speed_m_s > 0.05:
            begun = tick.time_s if 0.0 < (truth[0] - rows[-1][1][0]) % 1.0 < 0.1 else None
        rows.append((tick.time_s, truth.copy(), tick.phase.phase.copy(), tick.phase.confidence.copy()))
        assert tick.time_s < 30.0
    rig.close()
    time, truth, phase, confidence = (np.array(column) for column in zip(*rows, strict=True))
    return time - begun, (phase - truth + 0.5) % 1.0 - 0.5, confidence


def rmse(error):
    return 100.0 * float(np.sqrt(np.mean(error**2)))


@pytest.mark.slow
@pytest.mark.parametrize("patient", ["unimpaired", "hemiparetic_left_mild"])
def test_foot_loads_lock_the_phase_in_the_first_strides(patient):
    time, error, confidence = walk(patient, 0.4)
    assert time[-1] > WALK_S + LATER_S - 0.1
    first, later = error[(time > 0) & (time < WALK_S)], error[time > WALK_S]
    print(f"{patient}: phase RMSE in the first {WALK_S:.0f} s {rmse(first):.1f} %, later {rmse(later):.1f} %")
    # Without the rules for a start it was 22 % and 13 % in the first ten seconds.
    assert rmse(first) < 12.0
    assert rmse(later) < 4.0
    # Until each leg has struck twice nobody can be sure, and the estimator says so.
    assert confidence[(time > 0) & (time < 1.5)].max() < 0.5
    assert (confidence[time > WALK_S].mean(axis=0) > 0.7).all()
