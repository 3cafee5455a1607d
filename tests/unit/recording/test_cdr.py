"""Our encoding equals that of an independent implementation, byte for byte."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from exostride import types
from exostride.errors import InputError
from exostride.recording.cdr import Serializer, split_time
from exostride.recording.definitions import Definitions, dependencies, normalize
from exostride.recording.topics import BY_VALUE, TOPICS


def reference(definitions: Definitions, value: Any, time_s: float) -> bytes:
    """Serialise with the ``rosbags`` library."""
    topic = BY_VALUE[type(value)]
    store = definitions.store
    name = definitions.register(topic.type_name)
    sec, nanosec = split_time(time_s)
    stamp = store.types["builtin_interfaces/msg/Time"](sec=sec, nanosec=nanosec)
    header = store.types["std_msgs/msg/Header"](stamp=stamp, frame_id=topic.frame_id)
    fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    fields = {k: list(v) if isinstance(v, tuple) else v for k, v in fields.items()}
    return bytes(store.serialize_cdr(store.types[name](header=header, **fields), name))


def test_every_message_has_a_value_with_the_same_fields(definitions: Definitions) -> None:
    for topic in TOPICS:
        if topic.value is None:
            continue
        names = [name for name, _ in definitions.fields(topic.type_name)]
        assert names == ["header", *(f.name for f in dataclasses.fields(topic.value))], topic.name


@pytest.mark.parametrize("seed", range(20))
def test_bytes_equal_those_of_rosbags(
    definitions: Definitions, value_classes: list[type], make_value: Callable[..., Any], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    serializer = Serializer(definitions)
    for cls in value_classes:
        time_s = float(rng.uniform(0, 4000))
        value = make_value(cls, rng, time_s, seed)
        has_time = hasattr(value, "time_s")
        assert serializer.value(value) == reference(definitions, value, time_s if has_time else 0.0), cls
        assert serializer.value(value, 12.25) == reference(definitions, value, 12.25), cls


def test_standard_messages_equal_those_of_rosbags(definitions: Definitions) -> None:
    serializer = Serializer(definitions)
    store = definitions.store
    names, values = ["hip_left", "knee"], np.array([0.25, -1.5])
    header = {"stamp": {"sec": 3, "nanosec": 7}, "frame_id": "base_link"}
    ours = serializer.message(
        "sensor_msgs/msg/JointState",
        {"header": header, "name": names, "position": values, "velocity": values, "effort": np.zeros(0)},
    )
    stamp = store.types["builtin_interfaces/msg/Time"](sec=3, nanosec=7)
    theirs = store.types["sensor_msgs/msg/JointState"](
        header=store.types["std_msgs/msg/Header"](stamp=stamp, frame_id="base_link"),
        name=names,
        position=values,
        velocity=values,
        effort=np.zeros(0),
    )
    assert ours == bytes(store.serialize_cdr(theirs, "sensor_msgs/msg/JointState"))
    clock = serializer.message("rosgraph_msgs/msg/Clock", {"clock": {"sec": 1, "nanosec": 2}})
    assert clock == bytes.fromhex("000100000100000002000000")


def test_time_rounds_to_the_nearest_nanosecond() -> None:
    assert split_time(0.015) == (0, 15_000_000)
    assert split_time(3 * 0.1) == (0, 300_000_000)
    assert split_time(1.9999999999) == (2, 0)


@pytest.mark.parametrize("bad", [np.zeros(5), np.zeros(6, dtype=np.float32), np.zeros((6, 1))])
def test_an_array_of_the_wrong_kind_is_refused(bad: Any) -> None:
    with pytest.raises(InputError, match="angle_rad"):
        Serializer().value(types.ExoState(0, 0.0, 0.0, angle_rad=bad))


def test_a_time_that_is_no_number_is_refused() -> None:
    with pytest.raises(InputError, match="stamp_s"):
        Serializer().value(types.ExoState(0, 0.0, float("nan")))


def test_a_value_without_topic_is_refused() -> None:
    with pytest.raises(InputError, match="DriveCommand"):
        Serializer().value(types.DriveCommand())


def test_dependencies_ignore_comments_and_constants() -> None:
    text = "# Foo bar\nuint8 A=1 # Baz x\nstd_msgs/Header header\nKey[] keys\nstring<=5[<=3] s\nOther[3] o\n"
    assert dependencies(text, "pkg") == ["pkg/Key", "pkg/Other", "std_msgs/Header"]


def test_complete_definition_has_every_dependency_once(definitions: Definitions) -> None:
    text = definitions.complete("diagnostic_msgs/msg/DiagnosticArray")
    heads = [line for line in text.splitlines() if line.startswith("MSG: ")]
    assert sorted(heads) == [
        "MSG: builtin_interfaces/Time",
        "MSG: diagnostic_msgs/DiagnosticStatus",
        "MSG: diagnostic_msgs/KeyValue",
        "MSG: std_msgs/Header",
    ]


def test_unknown_message_is_a_clear_error(definitions: Definitions) -> None:
    with pytest.raises(InputError, match="exostride_msgs/msg/Nothing"):
        definitions.complete("exostride_msgs/msg/Nothing")
    with pytest.raises(InputError, match="no message type"):
        normalize("not a type")
