"""A session's report as one HTML page: plain words first, then clinical tables, then the technical part."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from exostride.analysis.estimate import Estimate
from exostride.analysis.findings import EXERCISES, Finding, findings, rule_of, title_of
from exostride.analysis.norms import Norm, angle_band, load_band
from exostride.analysis.registry import KEYS, REGISTRY, Group, Metric, Scope, ordered
from exostride.analysis.session import configuration_hash
from exostride.analysis.summary import Analysis
from exostride.conventions import JOINT_KINDS, SIDES
from exostride.report import charts, svg
from exostride.report.language import Language
from exostride.types import Action, SupervisorState

TEMPLATES: Final = Path(__file__).parent / "templates"
_FOR_PATIENT: Final = 3
"""Findings shown on the first page."""
SUPERVISOR_WORDS: Final = {
    SupervisorState.IDLE: "Idle",
    SupervisorState.HOMING: "Homing",
    SupervisorState.STAND: "Standing",
    SupervisorState.TRAIN: "Training",
    SupervisorState.STOPPING: "Stopping",
    SupervisorState.SOFT_STOP: "Soft stop",
    SupervisorState.E_STOP: "Emergency stop",
    SupervisorState.FAULT: "Fault",
}
TILES: Final = {
    "steps": "Steps",
    "distance_m": "Distance",
    "speed_m_s": "Speed",
    "step_time_symmetry_percent": "Evenness of steps",
}
FACTS: Final = ("device", "robot", "controller", "estimator", "patient")
"""Entries of the configuration that the appendix names."""
ACTION_WORDS: Final = {
    Action.NONE: "none",
    Action.WARN: "warning",
    Action.REDUCE: "assistance reduced",
    Action.SOFT_STOP: "soft stop",
    Action.E_STOP: "emergency stop",
}


@cache
def template(name: str) -> Template:
    """Return a template of the report."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


@dataclass(frozen=True)
class Cell:
    """One figure as it is printed."""

    value: str
    margin: str = ""
    reason: str = ""
    flag: str = ""


@dataclass(frozen=True)
class Line:
    """One line of a table: a metric's cells, one a column."""

    title: str
    unit: str
    cells: tuple[Cell, ...]
    norm: str
    reason: str
    """Why no cell has a value; empty when one has."""


def session_page(analysis: Analysis, language: Language) -> str:
    """Return the report of a session as HTML."""
    _ = language
    found = findings(analysis)
    context: dict[str, Any] = {
        "_": _,
        "lang": _.tag,
        "css": Markup((TEMPLATES / "report.css").read_text(encoding="utf-8")),
        "head": _head(analysis, _),
        "summary": _summary(analysis, _),
        "tiles": _tiles(analysis, _),
        "effort": Markup(charts.effort_figure(analysis, _)),
        "effort_known": any(e.known for e in analysis["contribution_percent"].values()),
        "effort_source": _effort_source(analysis, _),
        "balances": [Markup(b) for b in _balances(analysis, _)],
        "findings": [finding_words(f, _) for f in found],
        "first_findings": [finding_words(f, _) for f in found[:_FOR_PATIENT]],
        "exercises": _exercises(found, _),
        "angle_charts": list(_cycle_charts(analysis, _)),
        "norm_source": _norm_source(analysis, _),
        "load_source": _load_source(analysis, _),
        "courses": list(_courses(analysis, _)),
        "tables": list(_tables(analysis, _)),
        "legend": Markup(_legend(_)),
        "settings": _settings(analysis, _),
        "alarms": _alarms(analysis, _),
        "technical": _technical(analysis, _),
        "definitions": [_definition(m, _) for m in ordered()],
    }
    return template("report.html.jinja").render(context)


# ---------------------------------------------------------------------- first page


def _started(analysis: Analysis) -> datetime | None:
    try:
        return datetime.fromisoformat(str(analysis.session.info.get("started", "")))
    except ValueError:
        return None


def _head(analysis: Analysis, _: Language) -> dict[str, str]:
    started = _started(analysis)
    session = analysis.session
    return {
        "patient": session.patient_id or _("not named"),
        "date": _.date(started) if started else _("date not recorded"),
        "time": _.time(started) if started else "",
        "length": _.clock(session.duration_s),
        "runner": str(session.info.get("runner", "")),
    }


def _summary(analysis: Analysis, _: Language) -> str:
    steps, time = analysis.one("steps"), analysis.one("walking_time_s")
    distance, speed = analysis.one("distance_m"), analysis.one("speed_m_s")
    if not steps.known and _assessed(analysis):
        return _("Tone, force and range of motion were assessed in this session: see the clinical tables.")
    if not steps.known:
        return _(
            "No complete stride was found in this session, so there is nothing to say about the walking."
        )
    words = {"steps": _.number(steps.value, 0), "time": _.clock(time.value)}
    if not distance.known:
        return _("{steps} steps in {time} minutes.", **words)
    words |= {"distance": _.number(distance.value, 0), "speed": _.number(speed.value, 2)}
    return _("{steps} steps in {time} minutes: {distance} m at {speed} m/s.", **words)


def _assessed(analysis: Analysis) -> bool:
    """Return whether the session holds an assessment by the robot."""
    return any(row.estimate.known for row in analysis.rows() if row.metric.group == Group.ASSESSMENT)


def _tiles(analysis: Analysis, _: Language) -> list[dict[str, str]]:
    tiles = []
    for name, title in TILES.items():
        estimate, metric = analysis.one(name), REGISTRY[name]
        if name.startswith("step_time"):
            tiles.append({"title": _(title)} | _evenness(estimate, _))
            continue
        tile = {
            "title": _(title),
            "value": _.number(estimate.value, metric.decimals),
            "unit": metric.unit,
            "note": "",
        }
        if not estimate.known:
            tile |= {"unit": "", "note": _(estimate.reason)}
        tiles.append(tile)
    tiles[0]["note"] = tiles[0]["note"] or _walking_time(analysis, _)
    return tiles


def _walking_time(analysis: Analysis, _: Language) -> str:
    return _("walking for {time} min", time=_.clock(analysis.one("walking_time_s").value))


def _evenness(estimate: Estimate, _: Language) -> dict[str, str]:
    """Return the symmetry of steps as people say it: 100 % is perfectly even."""
    if not estimate.known:
        return {"value": _.number(math.nan), "unit": "", "note": _(estimate.reason)}
    longer = _("left step takes longer") if estimate.value > 0.0 else _("right step takes longer")
    even = abs(estimate.value) <= max(estimate.margin if math.isfinite(estimate.margin) else 0.0, 2.0)
    return {
        "value": _.number(max(0.0, 100.0 - abs(estimate.value)), 0),
        "unit": "%",
        "note": _("both sides alike") if even else longer,
    }


def _effort_source(analysis: Analysis, _: Language) -> str:
    known = [e for e in analysis["contribution_percent"].values() if e.known]
    if not known:
        reasons = dict.fromkeys(_(e.reason) for e in analysis["contribution_percent"].values())
        return _("Own effort is not known: {reasons}.", reasons="; ".join(reasons))
    return _(
        "100 %: all work that moved the joint was the patient's own. Thin line: how sure this is (95 %)."
    )


def _balances(analysis: Analysis, _: Language) -> Iterator[str]:
    for name in ("step_length_m", "stance_time_s", "weight_bearing_percent", "foot_clearance_mm"):
        metric = REGISTRY[name]
        left, right = analysis.one(name, "left"), analysis.one(name, "right")
        if left.known or right.known:
            yield charts.balance(left, right, _(metric.title), metric.unit, metric.decimals, _)


def finding_words(finding: Finding, _: Language) -> dict[str, str]:
    """Return a finding as its text, rule, weight and side, in words."""
    words: dict[str, str] = {
        name: _.number(value, digits) for name, (value, digits) in finding.numbers.items()
    }
    metric = REGISTRY[finding.metric]
    words["unit"] = metric.unit
    if finding.side:
        words["side"] = _(finding.side)
    if "_" in finding.key:
        kind, side = finding.key.split("_")
        words["joint"] = f"{_(charts.JOINT_WORDS[kind])} {_(side)}"
    title = title_of(finding)
    if title:
        words["title"] = _(title)
    text = _(finding.text, **words).replace(" °", "°")
    return {
        "text": text,
        "rule": _(rule_of(finding)),
        "weight": finding.weight.name.lower(),
        "side": finding.side,
    }


def _exercises(found: list[Finding], _: Language) -> list[str]:
    texts = dict.fromkeys(EXERCISES[f.code] for f in found if f.code in EXERCISES)
    return [_(text) for text in texts][:4]


# ---------------------------------------------------------------------- clinical part


def _legend(_: Language) -> str:
    parts = []
    for i, side in enumerate(SIDES):
        x = 4.0 + 110.0 * i
        parts.append(
            svg.tag(
                "line",
                x1=x,
                x2=x + 30,
                y1=11,
                y2=11,
                stroke=svg.SIDE_COLOUR[side],
                stroke_width=3,
                stroke_dasharray=svg.SIDE_DASH[side] or None,
            )
        )
        parts.append(svg.label(x + 38, 15, _(charts.SIDE_WORDS[side]), 12))
    parts.append(svg.tag("rect", x=224, y=3, width=30, height=16, fill=svg.NORM, fill_opacity=0.16))
    parts.append(svg.tag("rect", x=224, y=6.5, width=30, height=9, fill=svg.NORM, fill_opacity=0.22))
    parts.append(svg.label(262, 15, _("Norm ± 1 and 2 SD"), 12))
    return svg.picture(500, 22, "".join(parts), _("Legend"))


def _cycle_charts(analysis: Analysis, _: Language) -> Iterator[tuple[str, Markup]]:
    for joint in JOINT_KINDS:
        yield _(charts.JOINT_WORDS[joint]), Markup(charts.angle_chart(analysis, joint, _))
    load = charts.load_chart(analysis, _)
    if load is not None:
        yield _("Load on each foot"), Markup(load)


def _norm_source(analysis: Analysis, _: Language) -> str:
    band = angle_band(analysis.walk)
    if band is None:
        return _(
            "No norm is drawn: {reason}.",
            reason=_("speed or leg length unknown, or outside the published tables"),
        )
    return _("Norm: {source}, matched by walking speed and leg length.", source=band.source)


def _load_source(analysis: Analysis, _: Language) -> str:
    band = load_band(analysis.walk)
    if band is None:
        return _("No norm of the load is published for this speed.")
    return _("Norm of the load: {source}, of people who bear all their weight.", source=band.source)


def _courses(analysis: Analysis, _: Language) -> Iterator[tuple[str, Markup]]:
    for kind in JOINT_KINDS:
        chart = charts.course_chart(
            analysis, "contribution_percent", kind, _, f"{_('Own effort')} [%]", (0.0, 100.0)
        )
        if chart is not None:
            yield _(charts.JOINT_WORDS[kind]), Markup(chart)


def _cell(analysis: Analysis, metric: Metric, key: str, _: Language) -> Cell:
    estimate = analysis.one(metric.name, key)
    if not estimate.known:
        return Cell(_.number(math.nan), reason=_(estimate.reason))
    margin = f"± {_.number(estimate.margin, metric.decimals)}" if math.isfinite(estimate.margin) else ""
    return Cell(
        _.number(estimate.value, metric.decimals), margin, "", flag(estimate, analysis.norm(metric.name, key))
    )


def flag(estimate: Estimate, norm: Norm | None) -> str:
    """Return ``high`` or ``low`` when a figure lies beyond two SD of its norm, else empty."""
    if norm is None or not estimate.known or abs(estimate.value - norm.mean) <= 2.0 * norm.sd:
        return ""
    return "high" if estimate.value > norm.mean else "low"


def _norm_text(norm: Norm | None, metric: Metric, _: Language) -> str:
    if norm is None:
        return ""
    return f"{_.number(norm.mean, metric.decimals)} ± {_.number(norm.sd, metric.decimals)}"


def _line(analysis: Analysis, metric: Metric, _: Language) -> Line:
    keys = KEYS[metric.scope]
    cells = tuple(_cell(analysis, metric, key, _) for key in keys)
    norms = [analysis.norm(metric.name, key) for key in keys]
    if metric.scope == Scope.JOINT:
        named = zip(JOINT_KINDS, norms[:3], norms[3:], strict=True)
        texts = [
            f"{_(charts.JOINT_WORDS[kind])} {_norm_text(left or right, metric, _)}"
            for kind, left, right in named
            if left or right
        ]
    else:
        texts = [_norm_text(next((n for n in norms if n), None), metric, _)]
    lacking = all(cell.reason for cell in cells)
    return Line(_(metric.title), metric.unit, cells, ", ".join(texts), cells[0].reason if lacking else "")


def _tables(analysis: Analysis, _: Language) -> Iterator[dict[str, Any]]:
    """Yield each chapter's tables: by session, by side, by joint, and what could not be computed."""
    for group in Group:
        if group in (Group.TIMING, Group.SAFETY):
            continue
        parts: list[dict[str, Any]] = []
        unknown: dict[str, list[str]] = {}
        for scope in Scope:
            lines = [_line(analysis, m, _) for m in ordered() if m.group == group and m.scope == scope]
            for line in lines:
                if line.reason:
                    unknown.setdefault(line.reason, []).append(line.title)
            known = [line for line in lines if not line.reason]
            if known:
                parts.append({"scope": scope.value, "lines": known})
        yield {"title": _(group.value), "parts": parts, "unknown": list(unknown.items())}


# ---------------------------------------------------------------------- technical part


def _settings(analysis: Analysis, _: Language) -> list[dict[str, str]]:
    return [
        {
            "time": _.clock(change.time_s),
            "controller": change.controller,
            "belt": _.number(change.belt_speed_m_s, 2),
            "unloading": _.number(change.unloading_percent, 0),
            "assistance": " ".join(_.number(100.0 * float(v), 0) for v in change.assistance),
        }
        for change in analysis.session.settings
    ]


def _alarms(analysis: Analysis, _: Language) -> list[dict[str, str]]:
    rows = []
    state = None
    for entry in analysis.session.safety:
        if entry.action == Action.NONE and entry.state == state:
            continue
        state = entry.state
        rows.append(
            {
                "time": _.clock(entry.time_s),
                "state": _(SUPERVISOR_WORDS.get(SupervisorState(entry.state), "")),
                "action": _(ACTION_WORDS[Action(entry.action)]),
                "cause": entry.cause,
                "message": entry.message,
            }
        )
    return rows


def _technical(analysis: Analysis, _: Language) -> list[tuple[str, str]]:
    s = analysis.session
    configuration: Mapping[str, Any] = s.info.get("configuration", {}) or {}
    rows = [
        (_("Bag"), s.path.name),
        ("SHA-256", s.digest),
        (_("Configuration hash"), configuration_hash(s.info)),
    ]
    for key in FACTS:
        if configuration.get(key):
            rows.append((_(key.capitalize()), str(configuration[key])))
    for m in ordered():
        if m.group in (Group.TIMING, Group.SAFETY):
            e = analysis.one(m.name)
            rows.append(
                (_(m.title), f"{_.number(e.value, m.decimals)} {m.unit}".strip() if e.known else _(e.reason))
            )
    if s.dropped is not None:
        rows.append((_("Messages lost by the recorder"), _.number(s.dropped, 0)))
    git: Mapping[str, str] = s.info.get("git", {}) or {}
    if git:
        rows.append((_("Source"), f"{git.get('commit', '')[:12]} ({git.get('state', '')})"))
    versions: Mapping[str, str] = s.info.get("versions", {}) or {}
    rows.append((_("Versions"), ", ".join(f"{k} {v}" for k, v in versions.items())))
    return rows


def _definition(metric: Metric, _: Language) -> dict[str, str]:
    return {
        "title": _(metric.title),
        "name": metric.name,
        "unit": metric.unit,
        "text": metric.definition,
        "sign": metric.sign,
        "citation": metric.citation,
        "norm": metric.norm,
    }
