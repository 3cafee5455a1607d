"""Lock-step with a modern Gazebo (gz sim, Harmonic and later), through Gazebo's own Python bindings.

``python3 -m exostride.hardware.gz.modern WORLD LAYOUT`` runs in an interpreter that has the bindings
(``gz.sim``), needs nothing else than the standard library, and connects to ``EXOSTRIDE_GAZEBO_SOCKET``. What
it does between frames is :mod:`exostride.hardware.gz.lockstep`; here is only what Gazebo is called for.
"""

from __future__ import annotations

import importlib
import json
import os
import socket
import sys
from collections.abc import Sequence
from math import atan2
from pathlib import Path
from typing import Any

from exostride.hardware.gz.frames import Stream
from exostride.hardware.gz.lockstep import LockStep

GENERATIONS = (("gz.sim", "gz.math"), ("gz.sim9", "gz.math8"), ("gz.sim8", "gz.math7"))
"""Modules of Jetty and later, of Ionic, of Harmonic."""
PROBE = "from exostride.hardware.gz.modern import bindings; print(bindings()[0].__name__)"
"""What an interpreter is asked to find out whether it has the bindings."""


def bindings() -> tuple[Any, Any]:
    """Return Gazebo's modules of simulation and of mathematics.

    Raises
    ------
    ImportError
        This interpreter has none of :data:`GENERATIONS`.
    """
    for sim, maths in GENERATIONS:
        try:
            return importlib.import_module(sim), importlib.import_module(maths)
        except ImportError:
            continue
    raise ImportError("this Python has no bindings of gz sim (gz.sim, gz.sim9 or gz.sim8)")


def turned(q: Sequence[float], v: Sequence[float]) -> tuple[float, float, float]:
    """Return ``v`` turned by the unit quaternion ``q`` (w, x, y, z)."""
    w, x, y, z = q
    tx, ty, tz = 2 * (y * v[2] - z * v[1]), 2 * (z * v[0] - x * v[2]), 2 * (x * v[1] - y * v[0])
    return (
        v[0] + w * tx + y * tz - z * ty,
        v[1] + w * ty + z * tx - x * tz,
        v[2] + w * tz + x * ty - y * tx,
    )


def hinge_angle(parent: Sequence[float], child: Sequence[float], axis: Sequence[float]) -> float:
    """Return the angle [rad] about ``axis`` from the orientation (w, x, y, z) of parent to that of child."""
    a, b, c, d = parent
    w, x, y, z = child
    scalar = a * w + b * x + c * y + d * z
    vector = (a * x - b * w - c * z + d * y, a * y + b * z - c * w - d * x, a * z - b * y + c * x - d * w)
    return 2.0 * atan2(sum(u * v for u, v in zip(vector, axis, strict=True)), scalar)


class GzBody:
    """Joints and links of a running world; a :class:`exostride.hardware.gz.lockstep.Body`.

    ``layout`` names joints, links and free links in the order of the frames, the model of each, and parent,
    child and axis of each hinge.
    """

    def __init__(self, sim: Any, maths: Any, layout: dict[str, Any]) -> None:
        self._sim, self._math, self._layout = sim, maths, layout
        self._zero = maths.Vector3d(0.0, 0.0, 0.0)
        self._offset = 0.0
        self._ecm: Any = None
        self._joints: list[Any] = []
        self._time_s = 0.0

    def enter(self, time_s: float, ecm: Any) -> None:
        """Take the world's state manager for the step that is about to be made, beginning at ``time_s``."""
        self._ecm, self._time_s = ecm, time_s
        if not self._joints:
            self._find()

    def _find(self) -> None:
        sim, ecm, layout = self._sim, self._ecm, self._layout
        world = sim.World(sim.world_entity(ecm))
        names = {part["model"] for part in layout["joints"] + layout["links"]}
        models = {name: sim.Model(world.model_by_name(ecm, name)) for name in names}
        self._joints = [sim.Joint(models[j["model"]].joint_by_name(ecm, j["name"])) for j in layout["joints"]]
        self._links = [sim.Link(models[k["model"]].link_by_name(ecm, k["name"])) for k in layout["links"]]
        for part, found in zip(layout["joints"] + layout["links"], self._joints + self._links, strict=True):
            if not found.valid(ecm):
                raise LookupError(f"the world has no '{part['name']}' in model '{part['model']}'")
        place = {part["name"]: i for i, part in enumerate(layout["links"])}
        self._place = place
        self._free = [self._links[place[name]] for name in layout["free"]]
        self._roots = [
            (place[name], models[layout["links"][place[name]]["model"]]) for name in layout["free"]
        ]
        for joint in self._joints:
            joint.enable_position_check(ecm, True)
            joint.enable_velocity_check(ecm, True)
        for link in self._links:
            link.enable_velocity_checks(ecm, True)

    def counts(self) -> tuple[int, int, int]:
        """Return the numbers of joints, links and free links."""
        return len(self._layout["joints"]), len(self._layout["links"]), len(self._layout["free"])

    def velocities(self) -> list[float]:
        """Return the joint velocities; nothing has moved before the first step."""
        return [(joint.velocity(self._ecm) or [0.0])[0] for joint in self._joints]

    def read(self) -> list[float]:
        """Return time, joint positions, joint velocities, and pose and velocity of each free link."""
        ecm = self._ecm
        positions = [(joint.position(ecm) or [0.0])[0] for joint in self._joints]
        if self._layout["belt"] >= 0:
            positions[self._layout["belt"]] -= self._offset
        out = [self._time_s, *positions, *self.velocities()]
        for link in self._free:
            pose = link.world_pose(ecm)
            linear = link.world_linear_velocity(ecm) or self._zero
            angular = link.world_angular_velocity(ecm) or self._zero
            p, q = pose.pos(), pose.rot()
            out += [p.x(), p.y(), p.z(), q.w(), q.x(), q.y(), q.z()]
            out += [linear.x(), linear.y(), linear.z(), angular.x(), angular.y(), angular.z()]
        return out

    def push(self, torques: Sequence[float], wrenches: Sequence[float]) -> None:
        """Apply torques and wrenches; Gazebo keeps both for one step only."""
        ecm, vector = self._ecm, self._math.Vector3d
        for joint, torque in zip(self._joints, torques, strict=True):
            joint.set_force(ecm, [torque])
        for i, link in enumerate(self._links):
            fx, fy, fz, tx, ty, tz = wrenches[6 * i : 6 * i + 6]
            if fx or fy or fz:
                link.add_world_force(ecm, vector(fx, fy, fz))  # at the centre of mass
            if tx or ty or tz:
                link.add_world_wrench(ecm, self._zero, vector(tx, ty, tz))

    def place(self, rows: Sequence[float]) -> list[float]:
        """Put links at rest where ``rows`` says, with the coming step; return the state they then have."""
        ecm, layout, maths = self._ecm, self._layout, self._math
        angles = []
        for part, joint in zip(layout["joints"], self._joints, strict=True):
            angle = 0.0
            if "axis" in part:
                parent, child = (rows[13 * self._place[part[end]] + 3 :][:4] for end in ("parent", "child"))
                angle = hinge_angle(parent, child, part["axis"])
            joint.reset_position(ecm, [angle])
            joint.reset_velocity(ecm, [0.0])
            angles.append(angle)
        out = [self._time_s, *angles, *[0.0] * len(angles)]
        for index, model in self._roots:
            row = list(rows[13 * index : 13 * index + 13])
            if any(row[7:]):
                raise ValueError("links can only be placed at rest")
            where, turn = maths.Vector3d(*row[:3]), maths.Quaterniond(*row[3:7])
            model.set_world_pose_cmd(ecm, maths.Pose3d(where, turn))
            out += row
        self._offset = 0.0
        return out

    def recentre(self, joint: int, period: float) -> None:
        """Count the belt's place anew: nothing touches it here, so it need not be moved."""
        position = (self._joints[joint].position(self._ecm) or [0.0])[0]
        self._offset = period * round(position / period)


def serve(world: Path, layout: dict[str, Any], connection: socket.socket) -> str:
    """Run a world step by step for the peer at the other end; return what went wrong, or nothing."""
    sim, maths = bindings()
    stream = Stream(connection, float(layout["timeout_s"]))
    body = GzBody(sim, maths, layout)
    dt = float(layout["timestep_s"])
    steps = LockStep(
        stream, layout["damping"], dt, belt=layout["belt"], belt_period=float(layout["belt_period"])
    )
    fixture = sim.TestFixture(str(world))
    greeted = False

    def before(_info: Any, ecm: Any) -> None:
        nonlocal greeted
        try:
            # Gazebo's own time is already that of the coming step's end.
            body.enter(steps.steps * dt, ecm)
            if not greeted:
                joints, links, free = body.counts()
                steps.hello(
                    f"engine {sim.__name__} dart\njoints {joints}\nlinks {links}\nfree {free}\n"
                    f"contacts 0\ndamps 0\ntimestep_s {dt}\n"
                )
                greeted = True
            steps.begin(body)
        except Exception as error:  # must not pass through Gazebo's own threads
            steps.problem, steps.ended = f"{type(error).__name__}: {error}", True
            if not greeted:
                steps.hello(f"error {error}")

    fixture.on_pre_update(before)
    fixture.finalize()
    server = fixture.server()
    while not steps.ended:
        server.run(True, 1, False)
    return steps.problem


def main() -> int:
    """Connect, serve, and end; the exit code tells whether all was well."""
    world, layout = Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(os.environ["EXOSTRIDE_GAZEBO_SOCKET"])
        problem = serve(world, layout, connection)
    if problem:
        print(f"error: {problem}", file=sys.stderr)
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main())
