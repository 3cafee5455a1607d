"""Configuration files that are missing, damaged or out of range end in one line that names file and key."""

import pytest
from pydantic import Field, model_validator

from exostride.config import StrictModel, fingerprint, load, validate
from exostride.errors import ConfigError, ExitCode


class Limits(StrictModel):
    torque_nm: float = Field(gt=0.0, le=100.0)
    name: str = "knee"


class Pair(StrictModel):
    low: float
    high: float
    inner: Limits

    @model_validator(mode="after")
    def _ordered(self) -> "Pair":
        if self.low > self.high:
            raise ValueError(f"low {self.low} exceeds high {self.high}")
        return self


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("torque_nm: 500", r"torque_nm = 500: .*less than or equal to 100"),
        ("torque_nm: .nan", r"torque_nm = nan: .*finite"),
        ("torqe_nm: 5", r"torque_nm: missing; torqe_nm: unknown key"),
        ("torque_nm: [1", r":1:14: not valid YAML"),
        ("- 1", r"expected a mapping"),
        ("", r"expected a mapping"),
        ("torque_nm: strong", r"torque_nm = 'strong'"),
        ("torque_nm: \x01", r"not valid YAML"),
    ],
)
def test_a_damaged_file_is_explained_in_one_line(tmp_path, text, words):
    file = tmp_path / "limits.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=words) as caught:
        load(Limits, file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == ExitCode.BAD_INPUT


def test_a_missing_or_binary_file_is_explained(tmp_path):
    with pytest.raises(ConfigError, match="no such file"):
        load(Limits, tmp_path / "absent.yaml")
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(ConfigError, match="can't be read"):
        load(Limits, binary)


def test_a_nested_key_is_named_with_its_path_and_a_rule_in_its_own_words():
    with pytest.raises(ConfigError, match=r"here: inner\.torque_nm = -1"):
        validate(Pair, {"low": 0, "high": 1, "inner": {"torque_nm": -1}}, "here")
    with pytest.raises(ConfigError, match=r"low 2\.0 exceeds high 1\.0") as caught:
        validate(Pair, {"low": 2, "high": 1, "inner": {"torque_nm": 1}}, "here")
    assert "Value error" not in str(caught.value)


def test_the_fingerprint_follows_the_values():
    assert fingerprint(Limits(torque_nm=3)) == fingerprint(Limits(torque_nm=3.0))
    assert fingerprint(Limits(torque_nm=3)) != fingerprint(Limits(torque_nm=3, name="hip"))


def test_a_huge_value_is_cut_in_the_error():
    with pytest.raises(ConfigError) as caught:
        validate(Limits, {"torque_nm": "x" * 10_000}, "here")
    assert len(str(caught.value)) < 300
