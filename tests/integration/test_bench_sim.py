"""The speed benchmark gives every figure it promises; how large they are is not tested."""

import json

from typer.testing import CliRunner

from exostride.cli import app

KEYS = {"physics", "patient", "sensors", "phase", "control", "safety", "other", "all_but_physics"}


def test_writes_the_promised_figures(tmp_path):
    file = tmp_path / "sim.json"
    done = CliRunner().invoke(
        app, ["bench", "sim", "--seconds", "3", "--patient", "stance", "--json", str(file)]
    )
    assert done.exit_code == 0, done.output
    result = json.loads(file.read_text())
    assert set(result["us_per_tick"]) == KEYS
    assert all(value >= 0.0 for value in result["us_per_tick"].values())
    assert result["times_real_time"] > 0.0
    assert (result["nv"], result["cuffs"]) == (29, 6)
    assert 6.0 <= result["contacts_mean"] <= 10.0
    assert "times real time" in done.output
