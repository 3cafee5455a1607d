"""The film of a session: whole after every picture, nothing left behind in whatever way its owner ends."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from exostride.errors import ConfigError
from exostride.hardware.gz.camera import RATE_HZ, Film
from exostride.hardware.gz.film import AnimatedWebp, Maker
from exostride.hardware.gz.server import _sweep

SIZE = (64, 48)
PATIENCE_S = 120.0
"""Far above what any of it needs: nothing is asserted about the machine's speed."""


def picture(n):
    """Return a picture with a ramp behind a square that moves."""
    out = np.zeros((*SIZE[::-1], 3), np.uint8)
    out[..., 1] = np.linspace(0, 200, SIZE[0]).astype(np.uint8)
    out[10:22, 5 + 3 * n : 17 + 3 * n] = (250, 60, 20)
    return Image.fromarray(out)


def frames(file):
    """Return the pictures of a film and how long each is shown [ms]."""
    shown, times = [], []
    with Image.open(file) as film:
        for n in range(getattr(film, "n_frames", 1)):
            film.seek(n)
            shown.append(np.asarray(film.convert("RGB"), dtype=float))
            times.append(film.info["duration"])
    return shown, times


def shoot(folder, count):
    for n in range(count):
        picture(n).save(folder / f"default_camera_link_camera(1)-{n:04d}.jpg", quality=95)


def gone(what):
    end = time.monotonic() + PATIENCE_S
    while what():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture
def private(tmp_path, monkeypatch):
    """Where private directories are made."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def test_a_film_shows_every_picture_and_is_whole_after_each(tmp_path):
    file = tmp_path / "film.webp"
    with file.open("w+b") as stream:
        film = AnimatedWebp(stream, SIZE, 50)
        for n in range(9):
            film.add(picture(n))
            shown, times = frames(file)
            assert len(shown) == n + 1 and set(times) == {50}
    for n, seen in enumerate(shown):
        assert np.abs(seen - np.asarray(picture(n), dtype=float)).mean() < 8.0
        assert seen[16, 11 + 3 * n, 0] > 180.0, "the square is not where it was filmed"


def test_what_was_being_written_when_all_ended_is_not_counted(tmp_path):
    whole, cut = tmp_path / "whole.webp", tmp_path / "cut.webp"
    with whole.open("w+b") as stream:
        film = AnimatedWebp(stream, SIZE, 50)
        film.add(picture(0))
        film.add(picture(1))
        before = whole.read_bytes()
        film.add(picture(2))
    after = whole.read_bytes()
    cut.write_bytes(before + after[len(before) : -7])  # appended in part, not yet counted in
    assert len(frames(cut)[0]) == 2


def test_a_still_picture_costs_almost_nothing(tmp_path):
    file = tmp_path / "film.webp"
    with file.open("w+b") as stream:
        film = AnimatedWebp(stream, SIZE, 50)
        film.add(picture(0))
        size = file.stat().st_size
        film.add(picture(0))
    assert file.stat().st_size - size < size / 3
    assert len(frames(file)[0]) == 2


def test_the_newest_picture_waits_until_it_is_whole_and_one_cut_off_is_left_out(tmp_path):
    folder, file = tmp_path / "pictures", tmp_path / "film.webp"
    folder.mkdir()
    shoot(folder, 4)
    newest = sorted(folder.iterdir())[-1]
    newest.write_bytes(newest.read_bytes()[:300])
    maker = Maker(folder, file, RATE_HZ)
    maker.take(last=False)
    assert list(folder.iterdir()) == [newest] and len(frames(file)[0]) == 3
    maker.take(last=True)
    assert not list(folder.iterdir()) and len(frames(file)[0]) == 3


def test_a_full_disk_ends_the_film_with_one_line_and_pictures_do_not_pile_up(tmp_path, capsys):
    shoot(tmp_path, 5)
    Maker(tmp_path, Path("/dev/full"), RATE_HZ).take(last=True)
    assert not list(tmp_path.iterdir())
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1 and "/dev/full: No space left on device" in said[0]


def test_closing_finishes_the_film(private):
    film = Film(private / "film.webp")
    shoot(film.directory, 6)
    film.close()
    film.close()
    assert film.maker.returncode == 0
    assert len(frames(film.file)[0]) > 0
    assert list(private.iterdir()) == [film.file]


def test_a_session_without_pictures_leaves_no_film(private):
    Film(private / "film.webp").close()
    assert not list(private.iterdir())


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_however_the_owner_ends_the_film_is_finished_and_the_pictures_are_gone(private, how):
    code = (
        "import sys; from pathlib import Path; from exostride.hardware.gz.camera import Film\n"
        "film = Film(Path(sys.argv[1])); print(film.directory, film.maker.pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    file = private / "film.webp"
    with subprocess.Popen(
        [sys.executable, "-c", code, file],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as owner:
        folder, maker = owner.stdout.readline().split()
        shoot(Path(folder), 6)
        os.killpg(owner.pid, how)
    assert gone(lambda: Path(folder).exists()) and gone(lambda: Path("/proc", maker).exists())
    assert len(frames(file)[0]) > 0


def test_pictures_of_a_maker_who_was_killed_too_go_with_the_next_start(private):
    with subprocess.Popen([sys.executable, "-c", ""]) as nobody:
        pass
    left = private / f"exostride-gz-{nobody.pid}-abc"
    left.mkdir()
    shoot(left, 2)
    _sweep()
    assert not left.exists()


@pytest.mark.parametrize(("name", "says"), [("film.mp4", "ends in .webp"), ("file/film.webp", "video")])
def test_a_film_that_cannot_be_is_refused(private, name, says):
    (private / "file").write_text("not a directory")
    with pytest.raises(ConfigError, match=says):
        Film(private / name)
    assert [p.name for p in private.iterdir()] == ["file"]
