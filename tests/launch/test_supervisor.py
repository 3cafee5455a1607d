"""Starting and, above all, ending of processes; each launch is a real one in a process of its own."""

import contextlib
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from exostride.runtime.launch.guardian import ESCALATION
from exostride.runtime.launch.supervisor import Timeouts

LAUNCH = (
    "import sys; from exostride.runtime.launch import load, run; "
    "from exostride.runtime.launch.supervisor import Timeouts; from exostride.errors import ExostrideError\n"
    "try: sys.exit(run(load(sys.argv[1]), Timeouts(*map(float, sys.argv[2:]))))\n"
    "except ExostrideError as error: sys.exit(str(error))"
)
# Far above what any step needs, so that a busy machine fails no test; the five seconds are those of the plan.
PATIENCE_S = 180.0
PROMISED_S = 5.0


def until(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


class Launch:
    """A launcher that runs, and the processes that it has started."""

    def __init__(self, folder: Path, actions: str, *timeouts: float) -> None:
        self.folder = folder
        file = folder / f"test{len(list(folder.glob('test*')))}.launch.yaml"
        file.write_text(f"launch:\n{actions}")
        self.log = file.with_suffix(".log")
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", LAUNCH, str(file), *map(str, timeouts)],
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def pids(self, name: str = "*") -> list[int]:
        files = (self.folder / "pids").glob(f"{name}.*")
        return [int(file.suffix[1:]) for file in files if file.read_text().endswith("\n")]

    def up(self, count: int) -> list[int]:
        until(lambda: len(self.pids()) >= count, f"{count} processes")
        return self.pids()

    @property
    def said(self) -> str:
        return self.log.read_text()

    def until_said(self, text: str) -> None:
        until(lambda: text in self.said, f"'{text}'")

    def end(self) -> tuple[int, str]:
        return self.process.wait(timeout=PATIENCE_S), self.said


@pytest.fixture
def launch(package: Path, tmp_path: Path) -> Iterator[Callable[[str], Launch]]:
    started: list[Launch] = []

    def start(actions: str, *timeouts: float) -> Launch:
        started.append(Launch(tmp_path, actions, *timeouts))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.wait()
        for pid in one.pids():
            if alive(pid):
                os.kill(pid, signal.SIGKILL)


def node(program: str, **keys: str) -> str:
    lines = [f"  - node:\n      pkg: dummy\n      exec: {program}\n"]
    return "".join([*lines, *(f"      {key}: {value}\n" for key, value in keys.items())])


def test_lines_carry_the_name_of_their_node(launch):
    code, output = launch(node("talk", name="speaker")).end()
    assert code == 0
    assert "[speaker] two words" in output


def test_each_launch_gets_a_domain_of_its_own_and_stays_on_this_machine(launch):
    first = launch(node("wait") + node("talk"))
    first.up(1)
    first.until_said("LOCALHOST")
    second = launch(node("talk"))
    _, other = second.end()
    first.process.send_signal(signal.SIGINT)
    _, mine = first.end()

    def domain(output: str) -> str:
        (line,) = [line for line in output.splitlines() if "LOCALHOST" in line]
        return line.split()[-2]

    assert domain(mine) != domain(other)


def test_a_named_domain_is_refused_to_a_second_launch(launch, monkeypatch):
    monkeypatch.setenv("ROS_DOMAIN_ID", "97")
    first = launch(node("wait"))
    first.up(1)
    code, output = launch(node("wait")).end()
    assert code == 1
    assert output.splitlines() == [
        "ROS domain 97 is in use by another exostride launch; "
        "end that one, or unset ROS_DOMAIN_ID to get a free domain"
    ]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_all_in_good_order(launch, number, code):
    running = launch(node("wait") + node("wait"))
    pids = running.up(2)
    running.process.send_signal(number)
    returned, output = running.end()
    assert returned == code
    assert output.count("told") == 2
    assert not any(map(alive, pids))


def test_what_ignores_signals_is_killed_within_five_seconds(launch):
    running = launch(node("stubborn") + node("wait"))
    pids = running.up(2)
    running.process.send_signal(signal.SIGINT)
    returned, output = running.end()
    assert returned == 130
    assert "stubborn does not end; killing it" in output
    assert not any(map(alive, pids))


def test_the_plan_of_the_way_down_keeps_within_five_seconds():
    plan = Timeouts()
    assert plan.terminate < plan.kill
    assert plan.reaction + plan.kill < PROMISED_S
    assert max(after for _, after in ESCALATION) < PROMISED_S


def test_impatience_skips_the_waiting(launch):
    running = launch(node("unmoved"), 1.5, 10 * PATIENCE_S, 10 * PATIENCE_S)
    running.up(1)
    for heard in ("heard INT", "heard TERM"):  # each answered before the next: two at once count as one
        running.process.send_signal(signal.SIGINT)
        running.until_said(heard)
    running.process.send_signal(signal.SIGINT)
    code, output = running.end()
    assert code == 130
    assert "unmoved does not end; killing it" in output


def test_children_of_a_node_end_with_it(launch):
    running = launch(node("parent"))
    until(lambda: len(running.pids("child")) == 1, "the child")
    running.process.send_signal(signal.SIGTERM)
    running.end()
    until(lambda: not any(map(alive, running.pids())), "the end of all")


def test_the_end_of_a_node_that_others_need_ends_all(launch):
    running = launch(node("wait") + node("talk", on_exit="shutdown"))
    code, _ = running.end()
    assert code == 0
    assert not any(map(alive, running.pids()))


def test_without_on_exit_the_others_go_on_and_the_failure_is_kept(launch):
    running = launch(node("wait") + node("fail"))
    running.up(1)
    running.until_said("fail failed with exit code 7")
    time.sleep(0.3)
    assert running.process.poll() is None
    running.process.send_signal(signal.SIGINT)
    code, output = running.end()
    assert code == 7
    assert "fail failed with exit code 7" in output


def test_after_a_killed_node_the_others_have_time_to_react(launch):
    running = launch(node("wait", name="victim", on_exit="shutdown") + node("wait", name="other"))
    running.up(2)
    victim = int(re.search(r"victim started, process (\d+)", running.said)[1])
    (other,) = set(running.pids()) - {victim}
    start = time.monotonic()
    os.kill(victim, signal.SIGKILL)
    until(lambda: not alive(other), "the end of the other")
    assert time.monotonic() - start >= 1.4
    code, output = running.end()
    assert code == 1
    assert "victim was killed by SIGKILL" in output


def test_nothing_outlives_a_killed_launcher(launch):
    running = launch(node("wait") + node("stubborn") + node("parent"))
    until(lambda: len(running.pids()) == 4, "four processes")
    pids = running.pids()
    assert all(map(alive, pids))
    running.process.kill()
    until(lambda: not any(map(alive, pids)), "the end of all")


def test_a_program_that_cannot_start_ends_the_others(launch, tmp_path):
    running = launch(node("wait") + f"  - executable:\n      cmd: {tmp_path}/absent\n")
    code, output = running.end()
    assert code == 1
    assert "can't start absent" in output
    assert not any(map(alive, running.pids()))


def test_a_process_that_draws_has_the_terminal_to_itself(launch, package, tmp_path, monkeypatch):
    monkeypatch.setenv("ROS_LOG_DIR", str(tmp_path / "logs"))
    (package / "lib" / "dummy" / "last").write_text(
        '#!/bin/bash\nuntil [ -e "$PIDS/both" ]; do sleep 0.05; done\necho made walk.mcap\n'
    )
    (package / "lib" / "dummy" / "last").chmod(0o755)
    text = node("talk", name="drawer", emulate_tty="true") + node("talk", name="other")
    file = tmp_path / "drawing.launch.yaml"
    file.write_text(f"launch:\n{text}{node('last', on_exit='shutdown')}")
    (package / "lib" / "dummy" / "talk").write_text(
        '#!/bin/bash\necho two words\necho $$ >"$PIDS/talk.$$"\n'
        'set -- "$PIDS"/talk.*\n[ $# -lt 2 ] || : >"$PIDS/both"\n'
    )
    leader, follower = pty.openpty()
    process = subprocess.Popen([sys.executable, "-c", LAUNCH, str(file)], stdout=follower, stderr=follower)
    os.close(follower)
    shown = b""
    with contextlib.suppress(OSError):  # the terminal's way of saying that nobody writes any more
        while data := os.read(leader, 4096):
            shown += data
    os.close(leader)
    assert process.wait(PATIENCE_S) == 0
    lines = shown.decode().splitlines()
    assert "two words" in lines  # the drawer's, as it wrote it
    assert not any("[other]" in line for line in lines)
    assert "made walk.mcap" in lines[-1]
    assert "two words" in next((tmp_path / "logs").glob("*/other.log")).read_text()
