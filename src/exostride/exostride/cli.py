"""The ``exostride`` command: one line in, one clear answer out, and the right exit code.

Commands live beside what they run and are imported when they are asked for, so that
``exostride --help`` does not load a physics engine.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any, ClassVar

import typer
import typer.core
import typer.main

from exostride.errors import ExitCode, ExostrideError

COMMANDS: dict[str, tuple[str, str]] = {
    "launch": ("exostride.commands.launch:launch", "Start the ROS 2 graph described by a launch file."),
    "simulate": ("exostride.commands.simulate:simulate", "Run a session on the virtual clock, without ROS."),
    "assess": ("exostride.commands.assess:assess", "Tone, force and range of motion, by the robot."),
    "teach": ("exostride.commands.teach:teach", "Learn a walker's own path for the robot to lead along."),
    "replay": ("exostride.commands.replay:replay", "Play a recorded walker through the ROS 2 graph."),
    "analyze": ("exostride.commands.analyze:analyze", "Compute every metric of one or many bags."),
    "report": ("exostride.commands.report:report", "Write a session's report as HTML or PDF."),
    "store": ("exostride.commands.store:store", "Keep sessions of many days and show how they change."),
    "recover": ("exostride.commands.recover:recover", "Mend a damaged bag and say what was lost."),
    "export": ("exostride.commands.export:export", "Convert a recording to another format."),
    "anonymize": ("exostride.commands.anonymize:anonymize", "Make a set of sessions that may be shared."),
    "audit": ("exostride.commands.audit:audit", "Check a safety log against change and loss, or print it."),
    "doctor": ("exostride.commands.doctor:doctor", "Check this installation and say what to do."),
}

BENCHES: dict[str, tuple[str, str]] = {
    "walking": ("exostride.bench.walking:command", "The virtual patient's gait against published norms."),
    "impairments": ("exostride.bench.impairments:command", "What each impairment does to the gait, by side."),
    "training": (
        "exostride.bench.training:command",
        "Weeks of training: learning, forgetting, slacking, recovery.",
    ),
    "phase": ("exostride.bench.phase:command", "Gait phase estimators against recorded walkers."),
    "control": ("exostride.bench.control:command", "Control laws against each other on virtual patients."),
    "fading": ("exostride.bench.fading:command", "Whether help fades, stays and comes back as needed."),
    "contribution": ("exostride.bench.contribution:command", "Estimated against true share of the work."),
    "safety": ("exostride.bench.safety:command", "Every fault in every gait state, and hours without any."),
    "loop": ("exostride.bench.loop:command", "Latency, period and CPU of the ROS 2 graph."),
    "sim": ("exostride.bench.sim:command", "Speed of the virtual-clock runner and where its time goes."),
    "engines": ("exostride.bench.engines:command", "MuJoCo against Gazebo on the same model."),
    "analysis": ("exostride.bench.analysis:command", "Analysis of a long session, beside decoding it."),
    "metrics": ("exostride.bench.metric_truth:command", "Figures of a report beside the truth."),
    "progress": ("exostride.bench.progress:command", "Forecasts of recovery against naive ones, held out."),
    "recording": ("exostride.bench.recording:command", "Writing and reading of bags, beside rosbags."),
    "damage": ("exostride.bench.crash:command", "What is left of a bag after a crash, and after damage."),
}


def _resolve(target: str) -> Callable[..., Any]:
    module, _, name = target.partition(":")
    function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return function


class LazyGroup(typer.core.TyperGroup):
    """A group whose commands are imported when they are called; help lines need no import."""

    table: ClassVar[dict[str, tuple[str, str]]] = {}

    # typer brings its own copy of click, whose classes have no public name to annotate with.
    def list_commands(self, ctx: Any) -> list[str]:
        """Return the commands in the order of the table."""
        return [*self.table, *super().list_commands(ctx)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return one command, importing its module."""
        if cmd_name not in self.table:
            return super().get_command(ctx, cmd_name)
        app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        app.command(name=cmd_name)(_resolve(self.table[cmd_name][0]))
        return typer.main.get_command(app)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the help lines of the table."""
        rows = [(name, text) for name, (_, text) in self.table.items()]
        rows += [
            (name, (self.commands[name].get_short_help_str() or "")) for name in super().list_commands(ctx)
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


class _Main(LazyGroup):
    table = COMMANDS


class _Bench(LazyGroup):
    table = BENCHES


app = typer.Typer(
    cls=_Main,
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Open ROS 2 stack for robotic gait training.",
)
bench = typer.Typer(
    cls=_Bench,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Measure and print; nothing here is timed by a test.",
)
app.add_typer(bench, name="bench")


@app.callback()
def _root() -> None:
    """Open ROS 2 stack for robotic gait training."""


@bench.callback()
def _bench_root() -> None:
    """Measure and print, as JSON and HTML on request."""


def main() -> None:
    """Run the command line; errors meant for people become one line and an exit code."""
    try:
        app()
    except ExostrideError as error:
        print(f"exostride: {error}", file=sys.stderr)
        sys.exit(int(error.exit_code))
    except KeyboardInterrupt:
        print("exostride: interrupted", file=sys.stderr)
        sys.exit(int(ExitCode.INTERRUPTED))
    except BrokenPipeError:
        # The reader of our output has gone (a pager was closed): nothing more to say.
        sys.stderr.close()
        sys.exit(int(ExitCode.OK))


if __name__ == "__main__":
    main()
