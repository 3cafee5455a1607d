"""The environment of tools/bootstrap.sh: works without activation, and knows when it is out of date."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HOOK = Path(sys.prefix) / "env.sh"
LOOPS = "src/exostride/exostride/plant/firmware.py"
made_by_bootstrap = pytest.mark.skipif(not HOOK.is_file(), reason="not an environment of tools/bootstrap.sh")


def python(code: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)


@made_by_bootstrap
@pytest.mark.ros
def test_ros_and_messages_import_with_an_empty_environment():
    done = python(
        "import rclpy, exostride_msgs.msg, exostride_msgs.srv, exostride_msgs.action, exostride; print('all')"
    )
    assert done.stdout == "all\n", done.stderr


@made_by_bootstrap
def test_arguments_and_input_survive_the_second_start():
    words = [
        "-X",
        "utf8",
        "-c",
        "import sys; print(sys.argv[1:], sys.stdin.read(), sys.flags.utf8_mode)",
        "a b",
        "",
    ]
    done = subprocess.run(
        [sys.executable, *words], env={}, input="in", capture_output=True, text=True, check=False
    )
    assert done.stdout == "['a b', ''] in 1\n"


@made_by_bootstrap
def test_children_start_once():
    """A child finds the libraries in what it inherits; only a start without them takes two."""
    starts = "import os, sys; print(os.environ.get('_EXOSTRIDE_STARTED') == str(os.getpid()))"
    child = f"import subprocess, sys; {starts}; sys.stdout.flush(); "
    child += f"subprocess.run([sys.executable, '-c', {starts!r}])"
    assert python(child).stdout.split() == ["True", "False"]


@made_by_bootstrap
def test_foreign_entries_are_kept_behind_ours():
    variables = "('AMENT_PREFIX_PATH', 'LD_LIBRARY_PATH')"
    code = f"import os, json; print(json.dumps([os.environ[name] for name in {variables}]))"
    for value in json.loads(python(code, AMENT_PREFIX_PATH="/foreign", LD_LIBRARY_PATH="/foreign").stdout):
        assert value.startswith(f"{sys.prefix}/opt/ros")
        assert value.endswith(":/foreign")


@made_by_bootstrap
def test_the_shell_script_says_the_same_as_the_hook():
    shown = "import os; print(os.environ['AMENT_PREFIX_PATH'], os.environ['LD_LIBRARY_PATH'])"
    script = f"source {HOOK}; python -c {json.dumps(shown)}"
    sourced = subprocess.run(
        ["bash", "-c", script], env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False
    )
    assert sourced.stdout == python(shown).stdout, sourced.stderr


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A checkout whose environment is as its stamps say, without anything behind them."""
    checkout = tmp_path / "checkout"
    for name in ("tools", "requirements", "src/exostride_msgs", "src/stand_ins"):
        shutil.copytree(ROOT / name, checkout / name)
    (checkout / "src/exostride").mkdir()
    for name in ("setup.py", "setup.cfg", "package.xml"):
        shutil.copy(ROOT / "src/exostride" / name, checkout / "src/exostride" / name)
    (checkout / LOOPS).parent.mkdir(parents=True)
    shutil.copy(ROOT / LOOPS, checkout / LOOPS)
    binary = checkout / ".venv/bin/python"
    binary.parent.mkdir(parents=True)
    binary.symlink_to(sys.executable)
    script = (checkout / "tools/bootstrap.sh").read_text()
    # The script's own functions write the stamps: what is tested is what makes them stale.
    stamps = script[: script.index("if up_to_date")] + "".join(
        f'stamp {part} "$(wanted_{part})"\n' for part in ("wheels", "messages", "package", "loops")
    )
    (checkout / "tools/stamp.sh").write_text(stamps)
    subprocess.run(["bash", str(checkout / "tools/stamp.sh")], env=plain(), check=True)
    return checkout


def plain() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("EXOSTRIDE", "ROS"))}
    return {name: value for name, value in kept.items() if name != "PYTHON"}


def check(checkout: Path, **env: str) -> int:
    command = [str(checkout / "tools/bootstrap.sh"), "--check"]
    return subprocess.run(command, env={**plain(), **env}, capture_output=True, check=False).returncode


def test_nothing_is_to_do_while_nothing_has_changed(copy):
    assert check(copy) == 0


@pytest.mark.parametrize(
    "name",
    [
        "requirements/dev.txt",
        "requirements/constraints.txt",
        "src/exostride_msgs/msg/ExoState.msg",
        "src/exostride/setup.py",
        LOOPS,
    ],
)
def test_a_changed_input_is_noticed(copy, name):
    with (copy / name).open("a") as file:
        file.write("# changed\n")
    assert check(copy) == 1


def test_a_new_and_a_removed_message_are_noticed(copy):
    new = copy / "src/exostride_msgs/msg/New.msg"
    new.write_text("float64 x  # [m; -; -]\n")
    assert check(copy) == 1
    new.unlink()
    assert check(copy) == 0
    (copy / "src/exostride_msgs/msg/ExoState.msg").unlink()
    assert check(copy) == 1


def test_a_sourced_ros_wants_another_environment(copy):
    assert check(copy, ROS_DISTRO="jazzy") == 1
    assert check(copy, ROS_DISTRO="foxy") == 0  # not one that we can use


def test_a_blank_in_the_path_is_refused_in_one_line(copy, tmp_path):
    moved = copy.rename(tmp_path / "two words")
    done = subprocess.run(
        [moved / "tools/bootstrap.sh"], env=plain(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "contains a blank" in done.stderr


def test_exports_lose_the_build_machine_and_keep_the_rest(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("ros_env", ROOT / "tools" / "ros_env.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    monkeypatch.setattr(tool, "VENV", tmp_path)
    file = tmp_path / "share" / "some_msgs" / "cmake" / "some_msgsExport.cmake"
    file.parent.mkdir(parents=True)
    line = '  INTERFACE_INCLUDE_DIRECTORIES "{}"\n'
    file.write_text(line.format("/opt/python/cp311/include;${_IMPORT_PREFIX}/include;/usr/include"))
    tool.fix_exports()
    assert file.read_text() == line.format("${_IMPORT_PREFIX}/include;/usr/include")
