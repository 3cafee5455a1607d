"""A message of any type is encoded as ``rosbags`` does it, and comes back from a bag as it was."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from exostride.recording.cdr import Serializer
from exostride.recording.definitions import Definitions
from exostride.recording.reader import BagReader
from exostride.recording.writer import BagWriter, WriterOptions

NUMBERS = [
    "bool",
    "int8",
    "uint8",
    "int16",
    "uint16",
    "int32",
    "uint32",
    "int64",
    "uint64",
    "float32",
    "float64",
]
KINDS = ["single", "array", "sequence"]
PLAIN = WriterOptions(sync_interval_s=None, start_free_bytes=0, stop_free_bytes=0)

field = st.tuples(
    st.sampled_from([*NUMBERS, "string", "Inner"]), st.sampled_from(KINDS), st.integers(1, 5)
).filter(lambda f: f[0] != "Inner" or f[1] == "single")
inner = st.lists(
    st.tuples(st.sampled_from([*NUMBERS, "string"]), st.just("single"), st.just(1)), min_size=1, max_size=3
)
outer = st.lists(field, min_size=1, max_size=7)


def definition(fields: list[tuple[str, str, int]]) -> str:
    marks = {"single": "", "sequence": "[]"}
    return "".join(
        f"{'fuzz_msgs/Inner' if name == 'Inner' else name}{marks.get(kind, f'[{count}]')} f{i}\n"
        for i, (name, kind, count) in enumerate(fields)
    )


def number(name: str, rng: np.random.Generator, shape: Any = None) -> Any:
    if name == "bool":
        return rng.integers(0, 2, shape).astype(bool) if shape is not None else bool(rng.integers(2))
    if name.startswith("float"):
        values = (
            rng.normal(size=shape).astype(name) if shape is not None else np.dtype(name).type(rng.normal())
        )
        return values if shape is not None else float(values)
    info = np.iinfo(name)
    drawn = rng.integers(info.min, info.max, shape, dtype=name, endpoint=True)
    return drawn if shape is not None else int(drawn)


def value(
    store: Any, fields: list[tuple[str, str, int]], inner_fields: Any, rng: np.random.Generator
) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for i, (name, kind, count) in enumerate(fields):
        many = count if kind == "array" else int(rng.integers(0, 4)) if kind == "sequence" else None
        if name == "Inner":
            made[f"f{i}"] = value(store, inner_fields, None, rng)
        elif name == "string":
            text = ["", "a", "größer", "F22@knee"]
            pick = [text[int(k)] for k in rng.integers(0, 4, many or 1)]
            made[f"f{i}"] = pick[0] if many is None else pick if many else []
        else:
            made[f"f{i}"] = number(name, rng, many)
    return made


def build(store: Any, type_name: str, values: dict[str, Any]) -> Any:
    """Return the library's own object."""
    made = {
        k: build(store, "fuzz_msgs/msg/Inner", v) if isinstance(v, dict) else v for k, v in values.items()
    }
    return store.types[type_name](**made)


def flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, item in values.items():
        found.update(flat(item, f"{prefix}{name}.") if isinstance(item, dict) else {prefix + name: item})
    return found


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(outer, inner, st.integers(0, 2**32 - 1))
def test_any_type_round_trips(
    fields: list[tuple[str, str, int]], inner_fields: list[tuple[str, str, int]], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    store = get_typestore(Stores.EMPTY)
    store.register(get_types_from_msg(definition(inner_fields), "fuzz_msgs/msg/Inner"))
    store.register(get_types_from_msg(definition(fields), "fuzz_msgs/msg/Outer"))
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / "fuzz_msgs" / "msg"
        package.mkdir(parents=True)
        (package / "Inner.msg").write_text(definition(inner_fields))
        (package / "Outer.msg").write_text(definition(fields))
        serializer = Serializer(Definitions(roots=(Path(folder),)))
        written = [value(store, fields, inner_fields, rng) for _ in range(12)]
        bag = Path(folder) / "bag"
        with BagWriter(bag, options=PLAIN, serializer=serializer) as writer:
            writer.add_topic("/fuzz", "fuzz_msgs/msg/Outer")
            for i, item in enumerate(written):
                raw = serializer.message("fuzz_msgs/msg/Outer", item)
                theirs = store.serialize_cdr(build(store, "fuzz_msgs/msg/Outer", item), "fuzz_msgs/msg/Outer")
                assert raw == bytes(theirs)
                writer.write("/fuzz", raw, i)
        with BagReader(bag) as reader:
            table = reader.read("/fuzz")
    for i, item in enumerate(written):
        for name, expected in flat(item).items():
            found = table[name][i]
            if isinstance(expected, list):
                assert list(found) == expected, name
            elif isinstance(expected, np.ndarray):
                assert np.array_equal(found, expected), name
            else:
                assert found == expected, name
