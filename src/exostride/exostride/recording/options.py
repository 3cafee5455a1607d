"""How a bag is written: sizes, periods, and the disk that it is written to."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from exostride.recording.chunkfile import RawFile

MIB: Final = 1 << 20


def free_bytes(folder: Path) -> int:
    """Return the bytes that an ordinary user can still write to the disk of ``folder``."""
    return shutil.disk_usage(folder).free


def open_raw(path: Path) -> RawFile:
    """Create ``path`` and open it unbuffered."""
    return path.open("xb", buffering=0)


@dataclass(frozen=True, slots=True)
class WriterOptions:
    """How a bag is written."""

    chunk_bytes: int = 64 * 1024
    compression: str = "zstd"
    split_bytes: int = 1024 * MIB
    """A new file is begun when one has grown beyond this."""
    sync_interval_s: float | None = 0.25
    """Period at which a helper thread writes the open chunk and synchronises the disk; ``None``: no thread,
    chunks are written when full (for a run on a virtual clock, whose bag is then the same every time)."""
    start_free_bytes: int = 1024 * MIB
    """A recording is not begun with less free than this."""
    stop_free_bytes: int = 256 * MIB
    """A recording ends, in good order, when less is left."""
    disk_free: Callable[[Path], int] = free_bytes
    open_file: Callable[[Path], RawFile] = open_raw
    sync: Callable[[int], None] = os.fdatasync
    """Returns when what was written to a descriptor is on the disk."""
