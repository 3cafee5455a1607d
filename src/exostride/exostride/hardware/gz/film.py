"""Makes a film of a camera's pictures while they come, as a process of its own.

``python3 -m exostride.hardware.gz.film PICTURES FILE RATE_HZ`` takes numbered pictures out of a folder and
appends each to an animated WebP, until its standard input ends; then it takes what is left, for a while, and
removes the folder. Whoever owns it may therefore end in any way: the film is playable after every picture,
and the folder goes with the film's maker, not with its owner.

Each picture is compressed by itself, cut to what differs from the one before; the container is that of
Google's "WebP Container Specification" (RIFF; chunks VP8X, ANIM, ANMF).
"""

from __future__ import annotations

import io
import os
import select
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import BinaryIO

from PIL import Image, ImageChops

_QUALITY, _METHOD = 60, 0
_SAME = 10
"""Levels of 255 by which a pixel may differ without being drawn anew."""
_ANIMATED, _NO_BLEND = 0x02, 0x02
_LOOK_EVERY_S = 0.1
LAST_S = 2.0
"""Longest time for what is left when the owner has ended."""


def _u24(value: int) -> bytes:
    return value.to_bytes(3, "little")


def _chunk(name: bytes, payload: bytes) -> bytes:
    return name + len(payload).to_bytes(4, "little") + payload + b"\0" * (len(payload) % 2)


class AnimatedWebp:
    """An animated WebP that is whole after every picture."""

    def __init__(self, stream: BinaryIO, size: tuple[int, int], period_ms: int) -> None:
        self._stream, self._period = stream, period_ms
        self._shown: Image.Image | None = None
        width, height = size
        canvas = bytes([_ANIMATED, 0, 0, 0]) + _u24(width - 1) + _u24(height - 1)
        self._append(b"RIFF\0\0\0\0WEBP" + _chunk(b"VP8X", canvas) + _chunk(b"ANIM", bytes(6)))

    def add(self, picture: Image.Image) -> None:
        """Append a picture (RGB)."""
        box = self._changed(picture)
        part = picture.crop(box)
        out = io.BytesIO()
        part.save(out, "WEBP", quality=_QUALITY, method=_METHOD)
        place = _u24(box[0] // 2) + _u24(box[1] // 2) + _u24(part.width - 1) + _u24(part.height - 1)
        header = place + _u24(self._period) + bytes([_NO_BLEND])
        self._append(_chunk(b"ANMF", header + out.getvalue()[12:]))  # without RIFF's own header
        if self._shown is None:
            self._shown = picture.copy()
        else:
            self._shown.paste(part, box[:2])

    def _changed(self, picture: Image.Image) -> tuple[int, int, int, int]:
        """Return the box, its corner even, outside of which the film shows this picture already."""
        if self._shown is None:
            return (0, 0, *picture.size)
        difference = ImageChops.difference(picture, self._shown).point(lambda level: level > _SAME and 255)
        left, top, right, bottom = difference.getbbox() or (0, 0, 2, 2)
        return left - left % 2, top - top % 2, right, bottom

    def _append(self, data: bytes) -> None:
        """Write at the end, and only then count it in: a reader stops where the count does."""
        stream = self._stream
        stream.seek(0, io.SEEK_END)
        stream.write(data)
        stream.flush()
        length = stream.tell() - 8
        stream.seek(4)
        stream.write(length.to_bytes(4, "little"))
        stream.flush()


class Maker:
    """Takes pictures out of a folder, in order, and makes a film of them."""

    def __init__(self, pictures: Path, file: Path, rate_hz: float) -> None:
        self._folder, self._file, self._period = pictures, file, round(1000.0 / rate_hz)
        self._film: AnimatedWebp | None = None
        self._problem = ""

    def waiting(self) -> list[Path]:
        """Return the pictures in the folder, in order."""
        found = [p for p in self._folder.glob("*-*") if p.suffix in (".jpg", ".png")]
        return sorted(found, key=lambda p: int(p.stem.rsplit("-", 1)[-1]))

    def take(self, *, last: bool, until_s: float = float("inf")) -> None:
        """Film what is there, and remove it; the newest picture may not be whole until it is the last one."""
        for path in self.waiting()[: None if last else -1]:
            if time.monotonic() > until_s:
                return
            self._add(path)
            path.unlink(missing_ok=True)

    def _add(self, path: Path) -> None:
        try:
            with Image.open(path) as image:
                picture = image.convert("RGB")
        except OSError:
            return  # cut off when Gazebo ended
        if self._problem:
            return
        try:
            if self._film is None:
                self._film = AnimatedWebp(self._file.open("w+b"), picture.size, self._period)
            self._film.add(picture)
        except OSError as error:
            self._problem = f"film {self._file}: {error.strerror or error}; it ends here"
            print(f"error: {self._problem}", file=sys.stderr, flush=True)

    def run(self, owner: int) -> int:
        """Film until the file descriptor ``owner`` ends, then what is left; return the exit code."""
        while not (select.select([owner], [], [], _LOOK_EVERY_S)[0] and not os.read(owner, 4096)):
            self.take(last=False)
        end = time.monotonic() + LAST_S
        self.take(last=True, until_s=end)
        while self._folder.exists() and time.monotonic() < end + 1.0:
            shutil.rmtree(self._folder, ignore_errors=True)  # Gazebo may just be writing a last one
        return 1 if self._problem else 0


def main() -> int:
    """Make a film until standard input ends."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    pictures, file, rate = sys.argv[1:]
    return Maker(Path(pictures), Path(file), float(rate)).run(sys.stdin.fileno())


if __name__ == "__main__":
    sys.exit(main())
