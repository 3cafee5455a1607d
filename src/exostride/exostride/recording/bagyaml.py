"""``metadata.yaml`` of a bag, as ``ros2 bag`` writes it (version 9)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

VERSION: Final = 9
_FOREVER: Final = {"sec": 9223372036, "nsec": 854775807}


@dataclass(frozen=True, slots=True)
class FileSpan:
    """One file of a bag; times in ns."""

    path: str
    begin: int
    end: int
    messages: int


@dataclass(frozen=True, slots=True)
class TopicCount:
    """One topic of a bag."""

    name: str
    type_name: str
    type_hash: str
    latched: bool
    messages: int


def qos_profiles(latched: bool) -> list[dict[str, Any]]:
    """Return the quality of service that the stack offers on a topic, in rosbag2's terms."""
    return [
        {
            "history": "keep_last",
            "depth": 1,
            "reliability": "reliable",
            "durability": "transient_local" if latched else "volatile",
            "deadline": _FOREVER,
            "lifespan": _FOREVER,
            "liveliness": "automatic",
            "liveliness_lease_duration": _FOREVER,
            "avoid_ros_namespace_conventions": False,
        }
    ]


class _Dumper(yaml.SafeDumper):
    """Writes every value out: rosbag2 reads anchors, other tools may not."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def dump(data: Any) -> str:
    """Return YAML in block style, keys in the order given."""
    text: str = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    return text


def bag_information(
    files: Sequence[FileSpan], topics: Sequence[TopicCount], custom: dict[str, str]
) -> dict[str, Any]:
    """Return the content of ``rosbag2_bagfile_information``."""
    spans = [span for span in files if span.messages]
    begin = min((span.begin for span in spans), default=0)
    end = max((span.end for span in spans), default=0)
    return {
        "version": VERSION,
        "storage_identifier": "mcap",
        "duration": {"nanoseconds": end - begin},
        "starting_time": {"nanoseconds_since_epoch": begin},
        "message_count": sum(span.messages for span in files),
        "topics_with_message_count": [
            {
                "topic_metadata": {
                    "name": topic.name,
                    "type": topic.type_name,
                    "serialization_format": "cdr",
                    "offered_qos_profiles": qos_profiles(topic.latched),
                    "type_description_hash": topic.type_hash,
                },
                "message_count": topic.messages,
            }
            for topic in topics
        ],
        "compression_format": "",
        "compression_mode": "",
        "relative_file_paths": [span.path for span in files],
        "files": [
            {
                "path": span.path,
                "starting_time": {"nanoseconds_since_epoch": span.begin},
                "duration": {"nanoseconds": span.end - span.begin},
                "message_count": span.messages,
            }
            for span in files
        ],
        "custom_data": custom or None,
        "ros_distro": os.environ.get("ROS_DISTRO", "unknown"),
    }


def write(folder: Path, information: dict[str, Any]) -> None:
    """Write ``metadata.yaml`` at once: a reader sees the whole file or none."""
    path = folder / "metadata.yaml"
    partial = folder / "metadata.yaml.active"
    with partial.open("w", encoding="utf-8") as stream:
        stream.write(dump({"rosbag2_bagfile_information": information}))
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(path)
