"""Values and messages are the same thing, field by field and byte by byte."""

from dataclasses import fields

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("exostride_msgs")

from rclpy.serialization import deserialize_message, serialize_message

from exostride import types
from exostride.nodes.adapter import ADAPTERS, Adapter
from exostride.recording.topics import BY_VALUE

pytestmark = pytest.mark.ros

VALUES = sorted(BY_VALUE, key=lambda cls: cls.__name__)


def sample(cls, seed=0):
    """Return a value with a different number in every place, special floats included."""
    rng = np.random.default_rng(seed)
    defaults = cls(
        **{f.name: 0 for f in fields(cls) if f.name in ("seq", "side", "kind", "stride")},
        **{f.name: 0.0 for f in fields(cls) if f.name in ("time_s", "stamp_s", "detected_s")},
    )
    made = {}
    for f in fields(cls):
        default = getattr(defaults, f.name)
        if isinstance(default, np.ndarray) and default.dtype == np.float64:
            made[f.name] = rng.normal(size=default.shape)
            made[f.name][0] = np.nan if f.name.startswith("contribution") else -0.0
        elif isinstance(default, np.ndarray):
            made[f.name] = rng.integers(0, 2**31, default.shape).astype(default.dtype)
        elif isinstance(default, bool):
            made[f.name] = bool(rng.integers(2))
        elif isinstance(default, float):
            made[f.name] = float(rng.uniform(0, 1000))
        elif isinstance(default, tuple):
            made[f.name] = ("F11", "F24b", "")
        elif isinstance(default, str):
            made[f.name] = "Grüße an " + f.name
        else:
            made[f.name] = int(rng.integers(0, 200))
    return cls(**made)


def same(a, b):
    for f in fields(a):
        left, right = getattr(a, f.name), getattr(b, f.name)
        if isinstance(left, np.ndarray):
            assert left.dtype == right.dtype, f.name
            assert left.tobytes() == right.tobytes(), f.name
        else:
            assert type(left) is type(right), f.name
            assert left == right, f.name


@pytest.mark.parametrize("cls", VALUES, ids=lambda c: c.__name__)
def test_message_and_value_have_the_same_fields_in_the_same_order(cls):
    message = [name for name in ADAPTERS[cls].message_type.get_fields_and_field_types() if name != "header"]
    assert message == [f.name for f in fields(cls)]


def test_every_message_of_the_package_has_a_value():
    import exostride_msgs.msg as package

    messages = {name for name in dir(package) if not name.startswith("_") and name[0].isupper()}
    assert messages == {cls.__name__ for cls in VALUES}


@pytest.mark.parametrize("cls", VALUES, ids=lambda c: c.__name__)
def test_bytes_are_as_many_as_those_of_rclpy(cls):
    # Padding between fields is not initialised by rclpy, so the bytes themselves can't be compared;
    # that rclpy reads ours and we read theirs is the next test.
    adapter, value = ADAPTERS[cls], sample(cls)
    ours, theirs = adapter.encode(value), serialize_message(adapter.to_message(value))
    assert ours[:2] == theirs[:2]
    assert 0 <= len(theirs) - len(ours) < 4, "rclpy rounds the length up to four"


@pytest.mark.parametrize("cls", VALUES, ids=lambda c: c.__name__)
def test_every_bit_survives_both_ways(cls):
    adapter, value = ADAPTERS[cls], sample(cls, seed=1)
    same(value, adapter.decode(adapter.encode(value)))
    same(value, adapter.decode(serialize_message(adapter.to_message(value))))
    same(value, adapter.from_message(deserialize_message(adapter.encode(value), adapter.message_type)))


@pytest.mark.parametrize("frame", ["", "x", "a much longer frame name"])
def test_foreign_frame_names_are_understood(frame):
    adapter, value = Adapter(types.ExoState), sample(types.ExoState)
    message = adapter.to_message(value)
    message.header.frame_id = frame
    same(value, adapter.decode(serialize_message(message)))


def test_header_carries_the_measurement_time():
    adapter = ADAPTERS[types.ExoState]
    message = deserialize_message(
        adapter.encode(types.ExoState(seq=400, time_s=2.0, stamp_s=1.998)), adapter.message_type
    )
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (1, 998_000_000)
    assert message.header.frame_id == "base_link"


def test_constants_of_the_messages_are_those_of_the_enumerations():
    import exostride_msgs.msg as package

    pairs = [
        (package.SafetyState, types.SupervisorState, ""),
        (package.SafetyState, types.Action, "ACTION_"),
        (package.SafetyPermit, types.Mode, ""),
        (package.SessionState, types.SessionPhase, ""),
        (package.GaitPhase, types.GaitState, ""),
        (package.GaitEvent, types.EventKind, ""),
        (package.AppliedTorque, types.Reason, ""),
        (package.ExoState, types.Signal, ""),
        (package.EnvironmentState, types.SupportKind, ""),
        (package.EnvironmentState, types.HarnessAction, ""),
        (package.EnvironmentState, types.EnvironmentFault, "FAULT_"),
    ]
    for message, enumeration, prefix in pairs:
        for member in enumeration:
            assert getattr(message, prefix + member.name) == member.value, (message, member)
