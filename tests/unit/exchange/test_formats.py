"""What is written comes back, in our readers and in independent ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import c3d
import ezc3d
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from exostride.errors import InputError
from exostride.exchange import MotionRecording, load, save

Walker = Callable[..., MotionRecording]


def close(a: MotionRecording, b: MotionRecording) -> None:
    assert set(a.columns) == set(b.columns)
    assert np.allclose(a.time_s, b.time_s, rtol=0, atol=1e-6)
    for name, column in a.columns.items():
        scale = max(1.0, float(np.max(np.abs(column))))
        assert np.max(np.abs(column - b.columns[name])) <= 1e-6 * scale, name
    assert len(a.events) == len(b.events)
    for mine, theirs in zip(a.events, b.events, strict=True):
        assert (mine.side, mine.kind) == (theirs.side, theirs.kind)
        assert abs(mine.time_s - theirs.time_s) <= 1e-4


@pytest.mark.parametrize("ending", ["csv", "parquet", "mot", "sto", "c3d"])
def test_round_trip(tmp_path: Path, walker: Walker, ending: str) -> None:
    original = walker()
    save(tmp_path / f"w.{ending}", original)
    again = load(tmp_path / f"w.{ending}")
    close(original, again)
    save(tmp_path / f"again.{ending}", again)
    close(original, load(tmp_path / f"again.{ending}"))
    assert not [p for p in tmp_path.iterdir() if "partial" in p.name]


def test_csv_keeps_every_digit(tmp_path: Path, walker: Walker) -> None:
    original = walker()
    save(tmp_path / "w.csv", original)
    again = load(tmp_path / "w.csv")
    assert all(np.array_equal(original.columns[name], again.columns[name]) for name in original.columns)
    assert np.array_equal(original.time_s, again.time_s) and original.events == again.events


def test_opensim_file_by_an_independent_parser(tmp_path: Path, walker: Walker) -> None:
    original = walker()
    save(tmp_path / "w.sto", original)
    lines = (tmp_path / "w.sto").read_text().split("\n")
    end = lines.index("endheader")
    head = dict(line.split("=") for line in lines[1:end])
    labels = lines[end + 1].split("\t")
    table = np.array([[float(x) for x in line.split("\t")] for line in lines[end + 2 :] if line])
    assert table.shape == (int(head["nRows"]), int(head["nColumns"])) and head["inDegrees"] == "no"
    assert np.array_equal(table[:, labels.index("knee_angle_l")], original.columns["knee_left"])
    # OpenSim: y up, z right.
    assert np.array_equal(table[:, labels.index("ground_force_1_vy")], original.columns["plate1_fz"])
    assert np.array_equal(table[:, labels.index("ground_force_1_vz")], -original.columns["plate1_fy"])
    assert np.array_equal(
        table[:, labels.index("hip_flexion_r_moment")], original.columns["hip_moment_right"]
    )


def test_c3d_file_by_the_library_alone(tmp_path: Path, walker: Walker) -> None:
    original = walker()
    save(tmp_path / "w.c3d", original)
    file = ezc3d.c3d(str(tmp_path / "w.c3d"))
    labels = file["parameters"]["POINT"]["LABELS"]["value"]
    knee = file["data"]["points"][0, labels.index("LKneeAngles")]
    assert np.allclose(knee, np.degrees(original.columns["knee_left"]), atol=1e-5)
    heel = file["data"]["points"][:3, labels.index("RHEE")]
    assert np.allclose(heel[2], 1e3 * original.columns["hee_z_right"], atol=1e-4)
    assert file["parameters"]["POINT"]["RATE"]["value"][0] == pytest.approx(60.0, rel=1e-6)
    assert file["parameters"]["EVENT"]["LABELS"]["value"] == ["Foot Strike", "Foot Off", "Foot Strike"]


def test_c3d_file_by_an_independent_parser(tmp_path: Path, walker: Walker) -> None:
    """The ``c3d`` package is pure Python and shares no code with ezc3d, which wrote the file."""
    original = walker()
    save(tmp_path / "w.c3d", original)
    with (tmp_path / "w.c3d").open("rb") as stream:
        reader = c3d.Reader(stream)
        labels = [label.strip() for label in reader.point_labels]
        names = [label.strip() for label in reader.analog_labels]
        frames = [(points[:, :3].T, analog[:, 0]) for _, points, analog in reader.read_frames()]
        assert reader.point_rate == pytest.approx(60.0, rel=1e-6)
    points = np.array([frame[0] for frame in frames])
    analog = np.array([frame[1] for frame in frames])
    pairs = [
        (points[:, 0, labels.index(f"{s[0].upper()}{j.capitalize()}Angles")], np.degrees(column))
        for j in ("hip", "knee", "ankle")
        for s in ("left", "right")
        for column in [original.columns[f"{j}_{s}"]]
    ]
    pairs += [(points[:, 2, labels.index("LHEE")], 1e3 * original.columns["hee_z_left"])]
    pairs += [(points[:, 0, labels.index("RHipMoment")], 1e3 * original.columns["hip_moment_right"])]
    pairs += [(analog[:, names.index(n)], original.columns[n]) for n in ("plate1_fz", "hip_moment_left")]
    for found, wanted in pairs:
        assert np.max(np.abs(found - wanted)) <= 1e-6 * np.max(np.abs(wanted))


def test_opensim_file_by_opensim(tmp_path: Path, walker: Walker) -> None:
    opensim = pytest.importorskip("opensim", reason="SKIPPED, OPENSIM ITSELF: .venv/bin/pip install opensim")
    original = walker()
    save(tmp_path / "w.mot", original)
    table = opensim.TimeSeriesTable(str(tmp_path / "w.mot"))
    knee = table.getDependentColumn("knee_angle_l").to_numpy()
    assert np.array_equal(knee, original.columns["knee_left"])
    assert np.array_equal(np.array(table.getIndependentColumn()), original.time_s)


def test_parquet_keeps_every_digit_and_says_the_unit(tmp_path: Path, walker: Walker) -> None:
    original = walker()
    save(tmp_path / "w.parquet", original)
    again = load(tmp_path / "w.parquet")
    assert all(np.array_equal(original.columns[n], again.columns[n]) for n in original.columns)
    assert np.array_equal(original.time_s, again.time_s) and original.events == again.events
    schema = pyarrow.parquet.read_schema(tmp_path / "w.parquet")
    assert (
        schema.field("knee_left").metadata[b"unit"] == b"rad" and schema.field("t").metadata[b"unit"] == b"s"
    )


def test_parquet_errors_name_file_and_column(tmp_path: Path) -> None:
    path = tmp_path / "w.parquet"
    path.write_bytes(b"PAR1 but not really")
    with pytest.raises(InputError, match=r"w\.parquet: can't be read as Parquet"):
        load(path)
    for columns, message in (
        ({"x": [1.0, 2.0]}, "no column 't'"),
        ({"t": [0.0, 0.01], "nee_left": [1.0, 2.0]}, "'nee_left' is unknown; did you mean 'knee_left'"),
        ({"t": [0.0, 0.01], "knee_left": ["a", "b"]}, "not numbers"),
        ({"t": [0.0, 0.01], "knee_left": [20.0, 30.0]}, "looks like deg"),
        ({"t": [0.0, 0.01], "knee_left": [0.1, None]}, r"row 2, column knee_left: missing value"),
    ):
        pyarrow.parquet.write_table(pyarrow.table(columns), path)
        with pytest.raises(InputError, match=message):
            load(path)


def test_c3d_refuses_uneven_samples(tmp_path: Path) -> None:
    t = np.array([0.0, 0.01, 0.03, 0.04])
    with pytest.raises(InputError, match="not evenly spaced"):
        save(tmp_path / "w.c3d", MotionRecording(t, {"hip_left": np.zeros(4)}))
    assert not list(tmp_path.iterdir())


def mot(path: Path, labels: str, rows: list[str], head: str = "version=1\ninDegrees=yes\n") -> Path:
    path.write_text(f"name\n{head}endheader\n{labels}\n" + "\n".join(rows) + "\n")
    return path


def test_opensim_degrees_and_names(tmp_path: Path) -> None:
    path = mot(
        tmp_path / "ik.mot",
        "time\tpelvis_tilt\tpelvis_tx\thip_flexion_r\tknee_angle_r\tankle_angle_r",
        ["0.0\t-5\t1.0\t30\t60\t-10", "0.01\t-5\t1.1\t31\t61\t-11"],
    )
    found = load(path)
    assert np.allclose(found.columns["knee_right"], np.radians([60, 61]))
    assert np.allclose(found.columns["thigh_angle_right"], np.radians([25, 26]))
    assert np.allclose(found.columns["shank_angle_right"], np.radians([-35, -35]))
    assert np.allclose(found.columns["foot_angle_right"], np.radians([-45, -46]))
    assert found.notes == ("left out: pelvis_tx",)


def test_opensim_model_with_the_knee_the_other_way_round(tmp_path: Path) -> None:
    path = mot(tmp_path / "ik.mot", "time\tknee_angle_l\tknee_angle_r", ["0 -60 -5", "0.01 -61 -4"])
    found = load(path)
    assert np.allclose(found.columns["knee_left"], np.radians([60, 61]))
    assert "turned about" in found.notes[0]


@pytest.mark.parametrize(
    ("labels", "rows", "head", "message"),
    [
        (
            "time\thip_flexion_l",
            ["0\t20", "0.01\t21"],
            "inDegrees=no\n",
            r"w\.mot:6: column 2 \(hip_flexion_l\).*deg",
        ),
        (
            "time\thip_flexion_l",
            ["0\t20", "0.01\tx"],
            "inDegrees=yes\n",
            r"w\.mot:6: column 2.*'x' is not a number",
        ),
        ("time\thip_flexion_l", ["0\t20", "0.01"], "inDegrees=yes\n", r"w\.mot:6: 1 values; expected 2"),
        ("time\tlumbar", ["0\t20", "0.01\t1"], "inDegrees=yes\n", "no joint angle"),
        ("t\thip_flexion_l", ["0\t20", "0.01\t1"], "inDegrees=yes\n", "expected 'time'"),
        ("time\thip_flexion_l", ["0\t20"], "nRows=5\ninDegrees=yes\n", "says 5 rows"),
        ("time\thip_flexion_l", ["0\t20"], "inDegrees=maybe\n", "expected yes or no"),
        (
            "time\thip_flexion_l",
            ["0\tnan", "0.01\t1"],
            "inDegrees=yes\n",
            r"w\.mot:5: column 2.*missing value",
        ),
    ],
)
def test_opensim_errors_name_the_place(
    tmp_path: Path, labels: str, rows: list[str], head: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        load(mot(tmp_path / "w.mot", labels, rows, head))


@pytest.mark.parametrize("content", [b"", b"P", b"hello world, this is no c3d", b"\x02\x50" + bytes(510)])
def test_what_is_no_c3d_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.c3d").write_bytes(content)
    with pytest.raises(InputError, match=r"x\.c3d: ") as caught:
        load(tmp_path / "x.c3d")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.97])
def test_a_c3d_file_that_was_cut_off_is_not_filled_with_zeros(
    tmp_path: Path, walker: Walker, share: float
) -> None:
    save(tmp_path / "w.c3d", walker())
    raw = (tmp_path / "w.c3d").read_bytes()
    (tmp_path / "w.c3d").write_bytes(raw[: int(share * len(raw))])
    with pytest.raises(InputError, match=r"w\.c3d: "):
        load(tmp_path / "w.c3d")


def test_formats_and_files_that_do_not_exist(tmp_path: Path, walker: Walker) -> None:
    with pytest.raises(InputError, match="unknown format"):
        load(tmp_path / "x.xlsx")
    with pytest.raises(InputError, match="no such file"):
        load(tmp_path / "x.c3d")
    with pytest.raises(InputError, match="unknown format"):
        save(tmp_path / "x.xlsx", walker())
    for ending in ("csv", "mot", "c3d"):
        with pytest.raises(InputError, match="can't be written"):
            save(tmp_path / "nowhere" / f"x.{ending}", walker())


# ---------------------------------------------------------------------------- real walkers


def test_every_real_recording_loads(recordings: Path) -> None:
    files = [path for path in recordings.glob("*.csv") if ".events." not in path.name]
    assert files
    for path in files:
        found = load(path)
        assert len(found) > 100 and len(found.events) >= 8, path.name
        assert found.time_s[0] <= found.events[0].time_s and found.events[-1].time_s <= found.time_s[-1] + 0.5


def test_raw_c3d_agrees_with_the_table_made_from_it(recordings: Path) -> None:
    raw, table = load(recordings / "HC040A14.c3d"), load(recordings / "child_HC040A14.csv")
    first = int(np.argmin(np.abs(table.time_s - raw.time_s[0])))
    rows = slice(first, first + len(raw))
    assert np.allclose(raw.time_s, table.time_s[rows], atol=1e-9)
    shared = set(raw.columns) & set(table.columns)
    assert len(shared) == len(table.columns)
    for name in shared:
        # The table has five decimals for angles and positions, four for forces.
        assert np.max(np.abs(raw.columns[name] - table.columns[name][rows])) < 6e-5, name
    assert raw.events == table.events


@pytest.mark.parametrize("ending", ["csv", "mot", "c3d"])
def test_real_round_trip(recordings: Path, tmp_path: Path, ending: str) -> None:
    for name in ("opencap_walk60s.csv", "tamu_s1.csv", "hipexo_s00.csv"):
        original = load(recordings / name)
        save(tmp_path / f"x.{ending}", original)
        again = load(tmp_path / f"x.{ending}")
        # C3D has no time column: it keeps the mean rate; this file's times are rounded to 10 µs.
        assert np.max(np.abs(original.time_s - again.time_s)) < 1e-5
        for column, values in original.columns.items():
            scale = max(1.0, float(np.max(np.abs(values))))
            assert np.max(np.abs(values - again.columns[column])) <= 1e-6 * scale
