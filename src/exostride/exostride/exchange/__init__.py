"""Motion recordings of other programs: read, checked, and written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from exostride.errors import InputError
from exostride.exchange import c3dfile, csvfile, opensim, parquetfile
from exostride.exchange.motion import MotionEvent, MotionRecording

_READERS: dict[str, Callable[[Path], MotionRecording]] = {
    ".csv": csvfile.load,
    ".mot": opensim.load,
    ".sto": opensim.load,
    ".c3d": c3dfile.load,
    ".parquet": parquetfile.load,
}
_WRITERS: dict[str, Callable[[Path, MotionRecording], None]] = {
    ".csv": csvfile.save,
    ".mot": opensim.save,
    ".sto": opensim.save,
    ".c3d": c3dfile.save,
    ".parquet": parquetfile.save,
}


def load(path: Path) -> MotionRecording:
    """Read a motion recording; the ending of the name decides the format.

    Raises
    ------
    InputError
        The file is missing, of an unknown format, or damaged: one line with file, line and column.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise InputError(f"{path}: unknown format; expected one of {', '.join(_READERS)}")
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    return reader(path)


def save(path: Path, recording: MotionRecording) -> None:
    """Write a motion recording; the ending of the name decides the format.

    Raises
    ------
    InputError
        The format is unknown, can't hold the recording, or the file can't be written.
    """
    writer = _WRITERS.get(path.suffix.lower())
    if writer is None:
        raise InputError(f"{path}: unknown format; expected one of {', '.join(_WRITERS)}")
    writer(path, recording)


__all__ = ["MotionEvent", "MotionRecording", "load", "save"]
