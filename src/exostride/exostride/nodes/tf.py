"""Node ``tf``: the frames of the robot, so that RViz and Lichtblick show it where it is.

It places ``base_link`` in ``world`` by the pelvis that the device measures, and every link by the joint
angles and the description on ``robot_description``: in one node, because a robot_state_publisher knows
only the links. It only watches; the session goes on without it, and it ends with the session.
"""

from __future__ import annotations

import sys
from typing import Any, Final

from geometry_msgs.msg import TransformStamped
from std_msgs.msg import String
from tf2_msgs.msg import TFMessage

from exostride.conventions import BASE_LINK, JOINTS, WORLD
from exostride.errors import ExitCode, InputError
from exostride.model.frames import FrameTree, Placement
from exostride.nodes import qos
from exostride.nodes.base import IDLE_POLL_S, SILENCE_S, PlainNode
from exostride.nodes.process import run
from exostride.nodes.standard import stamp
from exostride.recording.topics import BY_NAME
from exostride.types import ExoState, SessionPhase, SessionState, Signal

_LINGER_S: Final = 0.5
"""From the last state of a session that is over to the end of this node [s]."""


def message(placements: list[Placement], time_s: float) -> TFMessage:
    """Return the placements at one time as a message."""
    when = stamp(time_s)
    out = []
    for placement in placements:
        transform = TransformStamped(child_frame_id=placement.child)
        transform.header.frame_id, transform.header.stamp = placement.parent, when
        move, turn = transform.transform.translation, transform.transform.rotation
        move.x, move.y, move.z = placement.position_m.tolist()
        turn.x, turn.y, turn.z, turn.w = placement.orientation.tolist()
        out.append(transform)
    return TFMessage(transforms=out)


def base(exo: ExoState) -> Placement:
    """Return where the pelvis is; one that no sensor follows stays in the world's origin."""
    if not exo.available & Signal.PELVIS:
        exo = ExoState(seq=exo.seq, time_s=exo.time_s, stamp_s=exo.stamp_s)
    return Placement(WORLD, BASE_LINK, exo.pelvis_position_m, exo.pelvis_orientation)


class TfNode(PlainNode):
    """See module."""

    def __init__(self) -> None:
        super().__init__("tf")
        display_hz = self.parameter("display_hz", 50, "rate of /tf [Hz]")
        self._every = max(1, round(self.rate_hz / display_hz))
        self._tree: FrameTree | None = None
        self._over = False
        self._tf: Any = self.create_publisher(TFMessage, "/tf", qos.by_name("/tf"))
        self._static: Any = self.create_publisher(TFMessage, "/tf_static", qos.by_name("/tf_static"))
        name = "robot_description"
        self.create_subscription(String, name, self._describe, qos.profile(BY_NAME[name]))
        self.receive(SessionState, self._session)
        self.receive(ExoState, self._place)

    def _describe(self, text: String) -> None:
        try:
            self._tree = FrameTree(text.data)
        except InputError as error:
            self.log.error(f"robot_description: {error}")
            return
        self._static.publish(message(self._tree.fixed(), 0.0))

    def _session(self, state: SessionState) -> None:
        self._over = state.phase in (SessionPhase.FINISHED, SessionPhase.ABORTED)

    def _place(self, exo: ExoState) -> None:
        self.heard_state()
        if exo.seq % self._every or self._tree is None:
            return
        angles = dict(zip(JOINTS, exo.angle_rad.tolist(), strict=True))
        self._tf.publish(message([base(exo), *self._tree.moving(angles)], exo.stamp_s))

    def poll(self, now_s: float) -> float:
        """End with the session, or when the clock has fallen silent: somebody else says why."""
        longest = _LINGER_S if self._over else SILENCE_S * self.patience
        if self._last_state_s is not None and now_s - self._last_state_s > longest:
            self.stop(ExitCode.OK)
        return IDLE_POLL_S


def main() -> None:
    """Run the node."""
    sys.exit(run(TfNode))
