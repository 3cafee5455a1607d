"""Writes docs/interfaces.md from the message files, the table of topics, and the nodes' own code.

python tools/interfaces.py           write the page
python tools/interfaces.py --check   exit 1 if it is not current
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "interfaces.md"
MESSAGES = ROOT / "src" / "exostride_msgs"
NODES = ("hardware", "gait_phase", "controller", "safety", "session", "recorder")

RATES = {
    "gait/event": "per event",
    "session/step_metrics": "per stride",
    "session/settings": "on change",
    "session/state": "every 10th tick",
    "safety/state": "on change, and every second",
    "recorder/state": "4 Hz of control time",
    "joint_states": "50 Hz (`display_hz`)",
    "/clock": "50 Hz, in lock-step",
    "/tf": "50 Hz (`display_hz`)",
    "/tf_static": "once",
    "diagnostics": "1 Hz",
    "robot_description": "once",
}

INTRODUCTION = """\
# Interfaces

Written by `python tools/interfaces.py` from the message files, the table of topics in
`exostride/recording/topics.py` and the nodes' code; a test fails when it is not current. Signs, frames and
units hold everywhere: SI; hip flexion, knee flexion and ankle dorsiflexion positive; REP-103 frames; joint
order `hip_left knee_left ankle_left hip_right knee_right ankle_right`; quaternions `xyzw`.

## One tick

`T = 1 / rate_hz`; tick *k* has control time *k T*. Both runners keep this order:

1. `hardware` reads tick *k* and publishes `exo/applied` (of *k* − 1), `env/state`, `exo/state`, then what
   nobody waits for.
2. `gait_phase` answers with `gait/event` (if any) and `gait/phase` *k*.
3. `controller` joins `exo/state`, `env/state` and `gait/phase` *k* with the settings in force (largest
   `effective_seq` ≤ *k*) and answers with `env/command` and `assist/command` *k*.
4. `safety`, side by side with 2 and 3, looks one tick back: state *k*; phase, command and applied torque of
   *k* − 1; the session's request in force. It answers with `safety/permit` *k*, and `safety/state` when
   there is something to say.
5. `session`, on every tenth tick, says `session/state` *k* with a request that holds from *k* + 20,
   `session/settings` when they change (also from *k* + 20), and `session/step_metrics` of the strides
   completed. It knows the supervisor's state of *k* − 1.
6. `hardware` runs the kernel on what has come for *k*, and the device.

In **lock-step** step 6 waits for both commands and the permit, at most `lockstep_timeout_s` of wall time;
an input that did not come counts as missing, and is then waited for no longer than T until it comes in time
again. `EXOSTRIDE_PATIENCE=20` in the environment makes this and the other waits in wall time twenty times as
long, for a machine that others use too; paced, it changes nothing. On every tenth tick the permit waits for
the session's word of ten ticks before, so a request takes effect at the same tick in every run. **Paced**,
ticks begin at absolute deadlines and answers have until 80 % of the period (`answer_share`). Freshness is
judged by sequence number alone; no topic has a DDS deadline or lifespan.

## Topics

All are reliable and keep the last messages; *latched* ones (transient local) give a late subscriber the
last one. Depth is that of an ordinary subscriber; publishers keep 8, the session 100, the recorder 1000.
The recorder writes every topic and is left out of the column *to*.
"""


def endpoints() -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Return publishers and subscribers of each value class, read from the nodes' code."""
    senders: dict[str, list[str]] = {}
    receivers: dict[str, list[str]] = {}
    for node in NODES:
        code = (ROOT / "src/exostride/exostride/nodes" / f"{node}.py").read_text(encoding="utf-8")
        for pattern, table in ((r"self\.sender\(\s*(\w+)", senders), (r"self\.receive\(\s*(\w+)", receivers)):
            for name in re.findall(pattern, code):
                table.setdefault(name, []).append(node)
    return senders, receivers


def topic_table() -> list[str]:
    """Return the table of topics."""
    from exostride.nodes import qos
    from exostride.recording.topics import TOPICS

    senders, receivers = endpoints()
    standard = {
        "/clock": "hardware",
        "joint_states": "hardware",
        "diagnostics": "hardware",
        "robot_description": "hardware",
        "/tf": "tf",
        "/tf_static": "tf",
    }
    lines = ["", "| topic | type | from | to | rate | latched | depth |", "|---|---|---|---|---|---|---|"]
    for topic in TOPICS:
        name = topic.value.__name__ if topic.value else ""
        source = ", ".join(senders.get(name, [])) or standard.get(topic.name, "–")
        target = ", ".join(receivers.get(name, [])) or "–"
        kind = topic.type_name.replace("/msg/", "/")
        link = f"[`{kind}`](#{name.lower()})" if name else f"`{kind}`"
        rate = RATES.get(topic.name, "every tick")
        latched = "yes" if topic.latched else ""
        lines.append(
            f"| `{topic.name}` | {link} | {source} | {target} | {rate} | {latched} | {qos.depth(topic)} |"
        )
    return lines


_FIELD = re.compile(r"^(\S+)\s+(\w+)\s*(?:=\s*(\S+))?\s*#\s*\[([^\]]*)\]\s*(.*)$")


def describe(text: str) -> list[str]:
    """Return the tables of one definition."""
    comments, fields, constants = [], [], []
    for raw in text.splitlines():
        line = raw.rstrip()
        if line.startswith("#"):
            comments.append(line.lstrip("# "))
            continue
        match = _FIELD.match(line)
        if match is None:
            continue
        kind, name, value, meta, words = match.groups()
        if value is not None:
            constants.append(f"| `{name}` | {value} | {words} |")
            continue
        unit, frame, sign = ([part.strip() for part in meta.split(";")] + ["-", "-"])[:3]
        fields.append(f"| `{name}` | `{kind}` | {_dash(unit)} | {_dash(frame)} | {_dash(sign)} | {words} |")
    lines = [*comments, ""]
    if fields:
        lines += ["| field | type | unit | frame | sign | |", "|---|---|---|---|---|---|", *fields, ""]
    if constants:
        lines += ["| constant | value | |", "|---|---|---|", *constants, ""]
    return lines


def _dash(text: str) -> str:
    return "" if text in ("-", "") else text.replace("|", "\\|")


def page() -> str:
    """Return the whole page."""
    lines = [INTRODUCTION.rstrip(), *topic_table(), "", "## Messages", ""]
    for path in sorted((MESSAGES / "msg").glob("*.msg")):
        lines += [f"### {path.stem}", "", *describe(path.read_text(encoding="utf-8"))]
    lines += ["## Services and actions", ""]
    where = {
        "RequestState": "`safety/request` asks the supervisor itself, stops included; "
        "`session/request` asks through the session; a stop asked for there holds 0.1 to 0.15 s later.",
        "ResetSafety": "`safety/reset`, answered at the supervisor's next tick.",
        "SetTherapySettings": "`session/set_settings`.",
        "RunSession": "Action `session/run`.",
    }
    parts = {"srv": ("request", "response"), "action": ("goal", "result", "feedback")}
    for kind, names in parts.items():
        for path in sorted((MESSAGES / kind).glob(f"*.{kind}")):
            lines += [f"### {path.stem}", "", where.get(path.stem, ""), ""]
            sections = path.read_text(encoding="utf-8").split("\n---\n")
            for name, section in zip(names, sections, strict=True):
                lines += [f"*{name}*: ", *describe(section)]
    text = "\n".join(lines).rstrip() + "\n"
    return re.sub(r"\n{3,}", "\n\n", text)


def main() -> int:
    """Write or check the page."""
    text = page()
    if "--check" in sys.argv[1:]:
        if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == text:
            return 0
        print(f"{PAGE} is not current; run: python tools/interfaces.py", file=sys.stderr)
        return 1
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
