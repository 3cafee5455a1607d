"""Draw the live view of a session, ``docs/pictures/session.svg``, from a run on the virtual clock."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

from rich.console import Console

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src" / "exostride"))

from exostride.monitor.snapshot import Snapshot  # noqa: E402
from exostride.monitor.view import render  # noqa: E402
from exostride.runtime.simulate import SimulationConfig, Tick, run  # noqa: E402

PATIENT = "hemiparetic_left_mild"
CONTROLLER = "impedance"
MOMENT_S = 30.0


def draw(file: Path) -> None:
    """Run until the moment of the picture and export it."""
    snapshot = Snapshot(title=f"Exostride · {PATIENT} · {CONTROLLER}")

    def watch(tick: Tick) -> bool:
        for metrics in tick.metrics:
            snapshot.put_metrics(metrics)
        snapshot.exo, snapshot.environment = tick.reading.exo, tick.reading.environment
        snapshot.phase, snapshot.command, snapshot.applied = tick.phase, tick.command, tick.applied
        snapshot.safety, snapshot.session = tick.safety, tick.session
        return tick.time_s < MOMENT_S

    run(SimulationConfig(patient=PATIENT, controller=CONTROLLER, duration_s=MOMENT_S + 5.0), watch)
    console = Console(record=True, width=118, file=io.StringIO())
    console.print(render(snapshot))
    svg = console.export_svg(title="make demo", unique_id="exostride")
    # The fonts rich asks for lie on another host; a picture in a repository shall need nothing from outside.
    file.write_text(re.sub(r"@font-face\s*{[^}]*}", "", svg), encoding="utf-8")


if __name__ == "__main__":
    target = ROOT / "docs" / "pictures" / "session.svg"
    target.parent.mkdir(parents=True, exist_ok=True)
    draw(target)
    print(target.relative_to(ROOT))
