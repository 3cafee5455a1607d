"""Node ``recorder``: every topic of the graph, serialized as it came, into an MCAP bag."""

from __future__ import annotations

import os
import struct
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

from exostride.errors import InputError
from exostride.nodes import qos
from exostride.nodes.adapter import message_class
from exostride.nodes.base import ManagedNode
from exostride.nodes.process import run
from exostride.recording.session_info import SessionInfo, git_state
from exostride.recording.topics import BY_VALUE, TOPICS, Topic
from exostride.recording.writer import BagWriter
from exostride.runtime.assembly.stack import configuration_files, patient_record
from exostride.types import ExoState, RecorderState

_STAMP: Final = struct.Struct("<4xiII")
_STATES_PER_S: Final = 4
_OFF: Final = "off"
_AUTO: Final = "auto"


class RecorderNode(ManagedNode):
    """See module. Nothing is decoded; the time of a message is the control time of the newest state."""

    def __init__(self) -> None:
        super().__init__("recorder")
        self._bag = self.parameter("bag", _AUTO, "path of the bag, auto for one named by date, or off")
        self._facts = {
            name: self.parameter(name, default, "noted in the bag")
            for name, default in (
                ("device", ""),
                ("patient", ""),
                ("robot", ""),
                ("controller", ""),
                ("estimator", ""),
            )
        }
        self._read = (
            self.parameter("protocol", "", "file that is put into the bag"),
            self.parameter("limits", "", "file that is put into the bag; empty for the default"),
        )
        self._seed = self.parameter("seed", 0, "noted in the bag")
        self._writer: BagWriter | None = None
        self._now_ns = 0
        self._seq_at = 0
        self._told = ""

    def setup(self) -> None:
        """Open the bag and subscribe to everything."""
        if self._bag == _OFF:
            return
        info = SessionInfo(
            configuration={**self._facts, "rate_hz": self.rate_hz, "lockstep": self.lockstep},
            patient=patient_record(self._facts["patient"], self._facts["device"]),
            seeds={"seed": self._seed},
            control_period_s=1.0 / self.rate_hz,
            runner="ros",
            git=git_state(Path(__file__).parent),
            files=configuration_files(*(Path(name) if name else None for name in self._read)),
        )
        self._writer = BagWriter(self._path(), info)
        self.log.info(f"recording to {self._writer.folder}")
        self._state = self.sender(RecorderState)
        self._every = max(1, round(self.rate_hz / _STATES_PER_S))
        frame = len(BY_VALUE[ExoState].frame_id) + 1
        # Encapsulation, stamp, length and name of the frame; the sequence number is aligned behind it.
        self._seq_at = 4 + -(-(12 + frame) // 8) * 8
        for topic in TOPICS:
            self._record(topic)

    def _path(self) -> Path:
        if self._bag != _AUTO:
            return Path(self._bag)
        # Two sessions may begin in the same second.
        return Path("sessions") / f"{datetime.now():%Y-%m-%d_%H-%M-%S}-{os.getpid()}"

    def _record(self, topic: Topic) -> None:
        assert self._writer is not None
        self._writer.add_topic(topic.bag_name, topic.type_name, topic.latched)
        is_clock = topic.value is ExoState
        subscription = self.create_subscription(
            message_class(topic.type_name),
            topic.name,
            self._clocked(topic.bag_name) if is_clock else self._plain(topic.bag_name),
            qos.profile(topic, qos.RECORDER_DEPTH),
            raw=True,
        )
        if is_clock:
            self._expected.append(("publisher of exo/state", subscription.get_publisher_count, 1))

    def _plain(self, name: str) -> Callable[[bytes], None]:
        def write(raw: bytes) -> None:
            if self._writer is not None:
                self._writer.write(name, raw, self._time_ns())

        return write

    def _clocked(self, name: str) -> Callable[[bytes], None]:
        """Return the callback for the master clock, which also gives the bag its time."""

        def write(raw: bytes) -> None:
            self.heard_state()
            sec, nanosec, _ = _STAMP.unpack_from(raw)
            self._now_ns = sec * 1_000_000_000 + nanosec
            if self._writer is not None:
                self._writer.write(name, raw, self._time_ns())
                (seq,) = struct.unpack_from("<Q", raw, self._seq_at)
                if seq % self._every == 0:
                    self._tell(seq)

        return write

    def _time_ns(self) -> int:
        return self._now_ns if self.lockstep else time.time_ns()

    def _tell(self, seq: int) -> None:
        if self._writer is None:
            return
        status = self._writer.status()
        if status.message != self._told:
            self._told = status.message
            self.log.error(f"bag {self._writer.folder}: {status.message}")
        state = RecorderState(
            seq=seq,
            time_s=seq / self.rate_hz,
            recording=status.recording,
            messages=status.messages,
            dropped=status.lost,
            bytes_written=status.bytes_written,
            disk_free_bytes=status.disk_free_bytes,
            path=status.path,
            message=status.message,
        )
        self._state.publish(state)

    def end(self) -> None:
        """Complete the bag."""
        self.close()

    def close(self) -> None:
        """Complete the bag; messages that are still under way are lost to it."""
        if self._writer is not None:
            try:
                self._writer.close()
            except (OSError, InputError) as error:
                self.log.error(f"bag {self._writer.folder}: {error}")
            self._writer = None


def main() -> None:
    """Run the node."""
    sys.exit(run(RecorderNode))
