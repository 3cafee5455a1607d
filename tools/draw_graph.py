"""Draw the ROS 2 graph, ``docs/pictures/graph.svg``, from the nodes' own source.

A column is a node, a row is a topic: the square writes it, the dots read it. Both are what the source
is seen to do (``self.sender(X)``, ``self.receive(X)``), so the picture can't say what the code does not do.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src" / "exostride"))

from exostride.recording.topics import BY_VALUE  # noqa: E402

NODES = {
    "hardware": ("device and\nsafety kernel", "#2a6f97"),
    "gait_phase": ("phase and\nevents", "#4f7f4e"),
    "controller": ("assistance,\nbelt, harness", "#7b5ea7"),
    "safety": ("supervisor", "#b5483a"),
    "session": ("protocol,\nstep metrics", "#8a6d1d"),
    "recorder": ("MCAP bag", "#555555"),
    "tf": ("frames\nfor viewers", "#3d8b8b"),
}


def traffic(name: str) -> tuple[set[str], set[str]]:
    """Return the topics a node reads and writes."""
    tree = ast.parse((ROOT / "src/exostride/exostride/nodes" / f"{name}.py").read_text(encoding="utf-8"))
    topics = {value.__name__: topic.name for value, topic in BY_VALUE.items()}
    reads: set[str] = set()
    writes: set[str] = set()
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
            continue
        value = node.args[0]
        topic = topics.get(value.id) if isinstance(value, ast.Name) else None
        if topic and node.func.attr == "sender":
            writes.add(topic)
        elif topic and node.func.attr in ("receive", "receive_raw"):
            reads.add(topic)
    if name == "recorder":
        reads = set(topics.values())
    return reads, writes


def draw(file: Path) -> None:
    """Draw columns and rows to ``file``."""
    plt.rcParams.update({"font.family": "DejaVu Sans", "svg.hashsalt": "exostride", "svg.fonttype": "path"})
    names = list(NODES)
    seen = {name: traffic(name) for name in names}
    rows = [t.name for t in BY_VALUE.values() if any(t.name in writes for _, writes in seen.values())]
    rows.sort(key=lambda topic: next(i for i, name in enumerate(names) if topic in seen[name][1]))
    figure, axes = plt.subplots(figsize=(9.6, 0.34 * len(rows) + 1.6))
    axes.set(xlim=(-1.5, len(names) - 0.5), ylim=(len(rows) - 0.4, -1.9))
    axes.axis("off")
    for x, name in enumerate(names):
        words, colour = NODES[name]
        axes.plot([x, x], [-0.7, len(rows) - 0.5], color=colour, lw=5, alpha=0.18, solid_capstyle="round")
        axes.text(x, -1.5, name, ha="center", color=colour, fontsize=11, weight="bold")
        axes.text(x, -1.3, words, ha="center", va="top", color=colour, fontsize=7.5)
    for y, topic in enumerate(rows):
        writer = next(i for i, name in enumerate(names) if topic in seen[name][1])
        readers = [i for i, name in enumerate(names) if topic in seen[name][0] and i != writer]
        colour = NODES[names[writer]][1]
        axes.plot([min([writer, *readers]), max([writer, *readers])], [y, y], color=colour, lw=1.4)
        axes.plot(readers, [y] * len(readers), "o", color="white", mec=colour, mew=1.6, ms=7)
        axes.plot([writer], [y], "s", color=colour, ms=9)
        axes.text(-0.45, y, topic, ha="right", va="center", fontsize=9, color=colour)
    figure.savefig(file, bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    target = ROOT / "docs" / "pictures" / "graph.svg"
    target.parent.mkdir(parents=True, exist_ok=True)
    draw(target)
    print(target.relative_to(ROOT))
