"""Reads bags with the reference MCAP library, so that our own reader does not judge our own writer."""

from dataclasses import fields

import numpy as np
from mcap.reader import make_reader

from exostride.nodes.adapter import ADAPTERS

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
