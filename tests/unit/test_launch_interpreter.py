"""Interpretation of launch files: what they come down to, and what is refused."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from exostride.errors import InputError
from exostride.runtime.launch import LaunchPlan, declared_arguments, load

Load = Callable[..., LaunchPlan]


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    prefix = tmp_path / "prefix"
    (prefix / "share/ament_index/resource_index/packages").mkdir(parents=True)
    (prefix / "share/ament_index/resource_index/packages/dummy").touch()
    (prefix / "lib/dummy").mkdir(parents=True)
    program = prefix / "lib/dummy/program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(prefix))

    def read(text: str, **arguments: str) -> LaunchPlan:
        file = tmp_path / "test.launch.yaml"
        file.write_text("launch:\n" + text)
        return load(file, arguments)

    return read


NODE = "- node: {pkg: dummy, exec: program"


def parameter(read: Load, content: str, **arguments: str) -> object:
    """The value that a node gets: its type is what the ROS parser sees."""
    declared = "".join(f"- arg: {{name: {name}}}\n" for name in arguments)
    (process,) = read(f"{declared}{NODE}, param: [{{name: p, {content}}}]}}", **arguments).processes
    name, _, value = process.argv[-1].partition(":=")
    assert (process.argv[-2], name) == ("-p", "p")
    return yaml.safe_load(value)


def test_a_node_becomes_a_command_line(read, tmp_path):
    parameters = tmp_path / "parameters.yaml"
    parameters.touch()
    (process,) = read(f"""
- arg: {{name: rate, default: "200"}}
- node:
    pkg: dummy
    exec: program
    name: first
    namespace: lab
    args: --verbose "two words"
    ros_args: --log-level debug
    on_exit: shutdown
    emulate_tty: true
    env: [{{name: V, value: $(var rate)}}]
    remap: [{{from: a, to: b}}]
    param:
      - {{from: {parameters}}}
      - {{name: rate, value: $(var rate)}}
      - {{name: gains, param: [{{name: kp, value: 1.5}}]}}
""").processes
    assert process.name == "first"
    assert process.argv[0].endswith("/lib/dummy/program")
    assert process.argv[1:] == (
        *("--verbose", "two words", "--ros-args", "--log-level", "debug", "-r", "__node:=first"),
        *("-r", "__ns:=/lab", "-r", "a:=b", "--params-file", str(parameters)),
        *("-p", "rate:=200", "-p", "gains.kp:=1.5"),
    )
    assert process.env == {"V": "200"}
    assert process.ends_all
    assert process.terminal


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("value: 3", 3),
        ("value: 3.0", 3.0),
        ("value: true", True),
        ("value: [1, 2]", [1, 2]),
        ("value: $(var x)", 60),
        ("value: $(var x), type: float", 60.0),
        ("value: $(var x), type: str", "60"),
        ("value: '60', type: str", "60"),
        ("value: '[1.0, 2.0]'", [1.0, 2.0]),
        ("value: ['$(var x)', '1'], type: list_of_float", [60.0, 1.0]),
        ("value: ''", ""),
        ("value: 'no', type: str", "no"),
    ],
)
def test_parameters_keep_their_type(read, content, expected):
    value = parameter(read, content, x="60")
    assert value == expected
    assert type(value) is type(expected)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.text(
        alphabet=st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="\x85\u2028\u2029\ufeff")
    )
)
def test_any_printable_text_reaches_a_string_parameter_unchanged(read, text):
    assert parameter(read, "value: $(var x), type: str", x=text) == text


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
@example(1e-05)
def test_any_number_reaches_a_float_parameter_unchanged(read, number):
    (process,) = read(f"{NODE}, param: [{{name: p, value: '{number!r}', type: float}}]}}").processes
    assert float(process.argv[-1].partition(":=")[2]) == number


def names(plan: LaunchPlan) -> list[str]:
    return [process.name for process in plan.processes]


@pytest.mark.parametrize(
    ("value", "expected"), [("true", ["a"]), ("1", ["a"]), ("False", ["b"]), ("0", ["b"])]
)
def test_conditions_choose(read, value, expected):
    text = f"- arg: {{name: c}}\n{NODE}, name: a, if: $(var c)}}\n{NODE}, name: b, unless: $(var c)}}"
    assert names(read(text, c=value)) == expected


def test_a_scoped_group_keeps_its_variables_to_itself(read):
    text = """
- let: {name: x, value: outer}
- group:
    - let: {name: x, value: inner}
    - executable: {cmd: echo $(var x)}
- group:
    scoped: false
    children:
      - let: {name: x, value: leaked}
- executable: {cmd: echo $(var x)}
"""
    assert [process.argv for process in read(text).processes] == [("echo", "inner"), ("echo", "leaked")]


def test_an_include_gets_arguments_and_hands_on_those_given(read, tmp_path):
    (tmp_path / "inner.launch.yaml").write_text(
        "launch:\n- arg: {name: a, default: '1'}\n- arg: {name: b, default: '2'}\n"
        "- arg: {name: c, default: '3'}\n- executable: {cmd: echo $(var a) $(var b) $(var c)}\n"
    )
    text = '- include: {file: $(dirname)/inner.launch.yaml, arg: [{name: b, value: "20"}]}'
    assert read(text, c="30").processes[0].argv == ("echo", "1", "20", "30")


def test_arguments_are_described_without_their_values(read, tmp_path):
    with pytest.raises(InputError, match="argument 'a' has no default and must be given:  a:=VALUE"):
        read(f"- arg: {{name: a, description: first}}\n- arg: {{name: b, default: x$(var a)}}\n{NODE}}}")
    first, second = declared_arguments(tmp_path / "test.launch.yaml")
    assert (first.name, first.default, first.description) == ("a", None, "first")
    assert second.name == "b"


def test_two_of_one_name_are_told_apart(read):
    assert names(read("- executable: {cmd: echo}\n" * 3)) == ["echo", "echo-2", "echo-3"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- timer: {period: 1}", r"test.launch.yaml:2: .*timer: not supported; supported actions: arg, let"),
        (NODE + ", respawn: true}", r"node.respawn: not supported here; supported: .*param"),
        (NODE + ", on_exit: restart}", "on_exit: must be 'shutdown', not 'restart'"),
        ("- node: {pkg: dummy, exec: absent}", "has no executable 'absent' in .*; there are: program"),
        ("- node: {pkg: absent, exec: program}", "package 'absent' is not in the ament index"),
        ("- node: {exec: program}", "node.pkg: missing"),
        ("- arg: {name: x, default: 5}", "arg.default: must be a string, not 5; put it in quotes"),
        (NODE + ", if: true}", "node.if: must be a string, not True"),
        (NODE + ", if: maybe}", "node.if: must come to true, 1, false or 0, not 'maybe'"),
        (NODE + ", if: '1', unless: '1'}", "can't be used together"),
        (NODE + ", param: [{name: p}]}", "parameter 'p' needs either a value or nested parameters"),
        (NODE + ", param: [{name: p, value: [1, a]}]}", "must be of one type"),
        (NODE + ", param: [{name: p, value: x, type: int}]}", "'x' is not of type int"),
        (NODE + ", param: [{name: p, value: 1, type: number}]}", "'number' is not one of str, bool"),
        (NODE + ", param: [{name: p, value: .inf}]}", "not a finite number"),
        (NODE + ", param: [{from: /absent.yaml}]}", "/absent.yaml: no such parameter file"),
        (NODE + ", param: {name: p}}", "must be a list of mappings"),
        ("- include: {file: $(dirname)/test.launch.yaml}", "includes itself"),
        ("- include: {file: $(dirname)/absent.launch.yaml}", "absent.launch.yaml: no such launch file"),
        ("- include: {file: other.launch.py}", "is not a .launch.yaml file"),
        ("- let: {name: x, value: $(command date)}", r"let.value: \$\(command\) is not supported"),
        ("- node: {pkg: dummy, pkg: dummy}", "key 'pkg' is given twice"),
        ("- node", "each action is one key"),
        ("- node: {pkg: [}", "test.launch.yaml:2: not valid YAML"),
        ("- executable: {cmd: ''}", "cmd: missing or empty"),
        ('- executable: {cmd: echo "}', "is not a command line"),
    ],
)
def test_an_error_names_file_key_and_remedy(read, text, message):
    with pytest.raises(InputError, match=message) as caught:
        read(text)
    assert "\n" not in str(caught.value)


def test_an_argument_must_be_known_and_among_its_choices(read):
    text = "- arg: {name: robot, default: none, choice: [{value: exoskeleton}, {value: none}]}"
    assert read(text, robot="exoskeleton").arguments[0].choices == ("exoskeleton", "none")
    with pytest.raises(InputError, match="'tank' is no robot; choose one of exoskeleton, none"):
        read(text, robot="tank")
    with pytest.raises(InputError, match="unknown argument 'rebot'; it has: robot"):
        read(text, rebot="none")


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(InputError, match="no such launch file"):
        load(tmp_path / "absent.launch.yaml")


OWN = sorted((Path(__file__).parents[2] / "launch").glob("*.launch.yaml"))


@pytest.mark.parametrize("file", OWN, ids=[file.name for file in OWN])
def test_our_own_launch_files_are_understood(file):
    arguments = declared_arguments(file)
    assert all(argument.description for argument in arguments)
