"""Reads bags with the libraries of others, so that our own reader does not judge our own writer."""

from collections import Counter
from dataclasses import fields
from pathlib import Path

import numpy as np
from ament_index_python.packages import get_package_share_directory
from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory
from rosbags.highlevel import AnyReader

from exostride import types
from exostride.nodes.adapter import ADAPTERS

EXACT = (
    types.ExoState,
    types.EnvironmentState,
    types.GaitPhase,
    types.GaitEvent,
    types.AssistCommand,
    types.EnvironmentCommand,
    types.SafetyPermit,
    types.AppliedTorque,
    types.SimTruth,
    types.StepMetrics,
)
"""Values that two runs of a session with the same seed share to the last bit."""

_BY_NAME = {adapter.topic.bag_name: adapter for adapter in ADAPTERS.values()}


def values(folder):
    """Return the values in a bag by class."""
    found = {}
    for path in sorted(folder.glob("*.mcap*")):
        with path.open("rb") as stream:
            for _, channel, message in make_reader(stream).iter_messages():
                adapter = _BY_NAME.get(channel.topic)
                if adapter is not None:
                    found.setdefault(adapter.value_type, []).append(adapter.decode(message.data))
    return found


def read_by_others(folder):
    """Decode every message of a bag with ``rosbags`` and with ``mcap-ros2-support``; return counts by topic.

    Both must find the same, and the types in the bag must be the installed packages' to the letter.
    """
    first, second, texts = Counter(), Counter(), {}
    with AnyReader([folder]) as reader:
        for connection, _, raw in reader.messages():
            reader.deserialize(raw, connection.msgtype)
            first[connection.topic] += 1
        texts = {c.msgtype: c.msgdef.data for c in reader.connections}
    for path in sorted(folder.glob("*.mcap")):
        with path.open("rb") as stream:
            other = make_reader(stream, validate_crcs=True, decoder_factories=[DecoderFactory()])
            second.update(channel.topic for _, channel, _, _ in other.iter_decoded_messages())
    assert first == second
    for name, text in texts.items():
        own, *needed = text.split("\n" + "=" * 80 + "\nMSG: ")
        assert own == _installed(name), name
        for part in needed:
            other_name, _, body = part.partition("\n")
            assert body == _installed(other_name), f"{other_name} in {name}"
    return first


def _installed(type_name):
    package, *_, name = type_name.split("/")
    return (Path(get_package_share_directory(package)) / "msg" / f"{name}.msg").read_text(encoding="utf-8")


def difference(a, b):
    """Return the first field in which two values differ at all, or ``None``."""
    for f in fields(a):
        x, y = getattr(a, f.name), getattr(b, f.name)
        if isinstance(x, np.ndarray):
            if x.tobytes() != y.tobytes():
                return f.name, x, y
        elif x != y and not (x != x and y != y):
            return f.name, x, y
    return None
