"""The page of ``exostride bench walking``: mean curves against the published bands, and every figure."""

from __future__ import annotations

import html
import io
import json
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from exostride.analysis.walking import PHASE
from exostride.conventions import JOINT_KINDS
from exostride.gait.bands import Band, bands_at

_BAND_COLOURS = ("#4c78a8", "#f58518")
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "svg{max-width:100%;height:auto}pre{background:#f5f5f5;padding:1rem;overflow:auto;font-size:12px}"
    "h2{margin-top:2.5rem}"
)


def _draw_joint(axes: Any, bands: tuple[Band, ...], joint: int, walked: Any) -> None:
    for band, colour in zip(bands, _BAND_COLOURS, strict=False):
        mean, sd = band.angles_deg(PHASE)
        low, high = mean[:, joint] - 2.0 * sd[:, joint], mean[:, joint] + 2.0 * sd[:, joint]
        axes.fill_between(
            100.0 * PHASE, low, high, color=colour, alpha=0.2, lw=0, label=f"{band.source} ±2 SD"
        )
    axes.plot(100.0 * PHASE, walked[:, joint], color="black", lw=1.6, label="virtual patient")
    axes.set_title(f"{JOINT_KINDS[joint]} [deg]", fontsize=10)


def _draw_force(axes: Any, bands: tuple[Band, ...], walked: Any) -> None:
    for band, colour in zip(bands, _BAND_COLOURS, strict=False):
        table = band.vertical_n_kg(PHASE)
        if table is not None:
            mean, sd = table
            axes.fill_between(100.0 * PHASE, mean - 2.0 * sd, mean + 2.0 * sd, color=colour, alpha=0.2, lw=0)
    axes.plot(100.0 * PHASE, walked, color="black", lw=1.6)
    axes.set_title("vertical ground force [N/kg]", fontsize=10)


def figure_svg(walks: dict[str, dict[str, Any]]) -> str:
    """Return the mean curves of walks, a row for each by its title, against their bands as an SVG element."""
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "exostride"}):
        figure = Figure(figsize=(13.0, 2.9 * len(walks)), layout="constrained")
        rows = figure.subplots(len(walks), 4, squeeze=False)
        for axes, (title, curves) in zip(rows, walks.items(), strict=True):
            bands = bands_at(float(curves["froude"]))
            for joint in range(3):
                _draw_joint(axes[joint], bands, joint, np.asarray(curves["angle_deg"]))
            _draw_force(axes[3], bands, np.asarray(curves["vertical_n_kg"]))
            for one in axes:
                one.set_xlabel("% of the left leg's cycle", fontsize=8)
                one.tick_params(labelsize=8)
            axes[0].set_ylabel(title, fontsize=9)
            axes[0].legend(fontsize=7, frameon=False)
        stream = io.StringIO()
        figure.savefig(stream, format="svg", metadata={"Date": None})
    text = stream.getvalue()
    return text[text.index("<svg") :]


def write_picture(path: Path, curves: dict[str, Any]) -> None:
    """Write the walks in the robot against their bands as one SVG file."""
    walks = {title: lines for title, lines in curves.items() if lines and title.startswith("exoskeleton")}
    path.write_text(figure_svg(walks) + "\n", encoding="utf-8")


def write_page(path: Path, figures: dict[str, Any], curves: dict[str, Any]) -> None:
    """Write the self-contained page."""
    parts = [
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>Walking of the virtual patient</title>",
        f"<style>{_STYLE}</style><h1>Walking of the virtual patient</h1>",
        "<p>Mean of the left leg's strides against published bands (Winter 1991; Schwartz et al. 2008, hip "
        "less the mean pelvic tilt), matched by Froude number. Made by "
        "<code>exostride bench walking</code>.</p>",
    ]
    for title, lines in curves.items():
        parts.append(f"<h2>{html.escape(title)}</h2>")
        parts.append(
            figure_svg({title: lines})
            if lines
            else "<p>The patient fell before there were strides to judge.</p>"
        )
    parts.append(f"<h2>All figures</h2><pre>{html.escape(json.dumps(figures, indent=1))}</pre></html>")
    path.write_text("\n".join(parts), encoding="utf-8")
