"""What the machine measures: ideal values, late, noisy, biased and quantised, all channels in one go."""

from __future__ import annotations

from math import atan2, sqrt
from typing import Annotated, Any, Final

import numpy as np
from numpy.typing import NDArray

from exostride.compiled import In1, In2, In3, Int1, Int2, Out1, Record, compiled, record
from exostride.conventions import SEGMENTS, SIDES
from exostride.plant.body_state import N_POINTS
from exostride.plant.config import ChannelConfig, SensorsConfig
from exostride.plant.legs import RobotLegs
from exostride.plant.parts import FOOT_POINTS
from exostride.plant.tape import Tape
from exostride.plant.world import World
from exostride.types import Vector

SIZES = {
    "angle": 6,
    "velocity": 6,
    "motor_torque": 6,
    "cuff_force": 18,
    "cuff_moment": 18,
    "segment_rate": 6,
    "segment_accel": 18,
    "joint_torque": 6,
    "segment_angle": 6,
    "motor_temperature": 6,
    "pelvis_position": 3,
    "pelvis_velocity": 3,
    "pelvis_tilt": 3,
    "pelvis_gyro": 3,
    "pelvis_accel": 3,
    "belt_speed": 1,
    "unloading": 1,
    "guidance_force": 2,
    "guidance_torque": 1,
    "foot_force": 6,
    "foot_cop": 4,
    "foot_load": 4,
}
"""Groups of channels and how many each has; the order is that of the flat vector."""
ROBOT_GROUPS = tuple(SIZES)[:10]


_STREAM = 11
"""Separates the sensors' random numbers from those that others draw from the same seed."""
N_HEEL = 2


def places() -> dict[str, slice]:
    """Return where each group lies in the flat vector of channels."""
    edges = np.cumsum([0, *SIZES.values()])
    return {name: slice(int(a), int(b)) for name, a, b in zip(SIZES, edges[:-1], edges[1:], strict=True)}


_AT: Final = {name: place.start for name, place in places().items()}
_JOINT_TORQUE: Final = _AT["joint_torque"]
_SEGMENT_ANGLE: Final = _AT["segment_angle"]
_TEMPERATURE: Final = _AT["motor_temperature"]
_FOOT_FORCE: Final = _AT["foot_force"]
_FOOT_COP: Final = _AT["foot_cop"]
_FOOT_LOAD: Final = _AT["foot_load"]
SIGN, BIAS, NOISE, STEP, INVERSE = range(5)
"""Rows of what makes a reading of each channel; a channel with sign 0 is not a column of the tape."""

TAPE: Final = np.dtype(
    [
        *((name, "f8", (6,)) for name in ("armature", "damping")),
        ("sites", "i8", (2,)),
        *((name, "i8") for name in ("drive", "constraint", "acceleration", "speed", "axes", "points")),
        *((name, "i8") for name in ("torque_late", "axes_late", "force_late", "robot")),
        ("threshold", "f8"),
    ],
    align=True,
)
"""Columns of the tape that joint torque, segments' angles and feet are made of, and how late each is."""

Columns = Annotated[Record, TAPE]


def _range(place: slice) -> NDArray[np.intp]:
    return np.arange(place.start, place.stop)


def _all(sensor: dict[str, slice], kind: str) -> slice:
    """Return the columns of a three-axis sensor of all segments."""
    start = sensor[f"{kind}_{SEGMENTS[0]}"].start
    return slice(start, start + 3 * len(SEGMENTS))


@compiled
def _segment_angles(axes: In1, out: Out1) -> None:
    """Write the angles of thigh, shank and foot of both legs, given their longitudinal axes (18,).

    Thigh and shank: how far the lower end is in front; foot: how far the toe is up.
    """
    for k in range(6):
        along, up = axes[3 * k], axes[3 * k + 2]
        out[k] = atan2(up, along) if k % 3 == 2 else atan2(-along, up)


@compiled
def _between_gear_and_link(
    row: In1,
    drive: int,
    constraint: int,
    acceleration: int,
    speed: int,
    armature: In1,
    damping: In1,
    out: Out1,
) -> None:
    """Write what the motor makes, less what its rotor, friction and end stop take; columns of ``row``."""
    for i in range(out.size):
        taken = armature[i] * row[acceleration + i] + damping[i] * row[speed + i]
        out[i] = row[drive + i] + row[constraint + i] - taken


@compiled
def _feet(
    rows: In2,
    first: int,
    rotation: In2,
    sites: Int1,
    points: In3,
    threshold: float,
    total: Out1,
    cop: Out1,
    load: Out1,
) -> None:
    """Write ground forces in the world (6,), centres of pressure (4,) and loads of heel and toe (4,).

    The points' forces stand in the columns from ``first`` on; centres and loads are in the soles' frames.
    """
    n = rows.shape[0]
    force = np.empty(3)
    total[:] = 0.0
    for side in range(2):
        across = rotation[sites[side]]
        whole, x, y, heel = 0.0, 0.0, 0.0, 0.0
        for k in range(N_POINTS):
            column = first + 3 * (N_POINTS * side + k)
            for axis in range(3):
                force[axis] = 0.0
                for row in range(n):
                    force[axis] += rows[row, column + axis]
                force[axis] /= n
                total[3 * side + axis] += force[axis]
            normal = force[0] * across[2] + force[1] * across[5] + force[2] * across[8]
            whole += normal
            heel += normal if k < N_HEEL else 0.0
            x += normal * points[side, k, 0]
            y += normal * points[side, k, 1]
        load[2 * side], load[2 * side + 1] = heel, whole - heel
        if whole > threshold:
            cop[2 * side], cop[2 * side + 1] = x / whole, y / whole


@compiled
def _measured(
    columns: Columns,
    rows: In2,
    newest: int,
    gather: Int2,
    scale: In2,
    normal: In1,
    rotation: In2,
    points: In3,
    temperature: In1,
) -> Vector:
    """Return all channels; ``gather`` holds the row and column of those that the tape has as they are."""
    c, n = columns[0], rows.shape[0]
    values = np.empty(normal.size)
    for i in range(values.size):
        values[i] = rows[gather[0, i], gather[1, i]] * scale[SIGN, i]
    if c.robot:
        torque = values[_JOINT_TORQUE : _JOINT_TORQUE + 6]
        chain = (c.drive, c.constraint, c.acceleration, c.speed, c.armature, c.damping)
        _between_gear_and_link(rows[n - 1 - c.torque_late], *chain, torque)
        axes = rows[n - 1 - c.axes_late, c.axes : c.axes + 18]
        _segment_angles(axes, values[_SEGMENT_ANGLE : _SEGMENT_ANGLE + 6])
        values[_TEMPERATURE : _TEMPERATURE + 6] = temperature
    end = n - c.force_late
    total, cop = values[_FOOT_FORCE : _FOOT_FORCE + 6], values[_FOOT_COP : _FOOT_COP + 4]
    load = values[_FOOT_LOAD : _FOOT_LOAD + 4]
    soles = (rotation, c.sites, points, c.threshold)
    _feet(rows[end - newest : end], c.points, *soles, total, cop, load)
    for i in range(values.size):
        ideal = values[i] + scale[BIAS, i] + scale[NOISE, i] * normal[i]
        values[i] = np.rint(ideal * scale[INVERSE, i]) * scale[STEP, i]
    return values


@compiled
def _turned(row: In1, start: int, tilt: In1) -> Vector:
    """Return the quaternion (w first from ``start`` on) turned by a small vector, as xyzw."""
    w, x, y, z = row[start], row[start + 1], row[start + 2], row[start + 3]
    a, b, c = 0.5 * tilt[0], 0.5 * tilt[1], 0.5 * tilt[2]
    out = np.empty(4)
    out[0] = x + w * a + y * c - z * b
    out[1] = y + w * b + z * a - x * c
    out[2] = z + w * c + x * b - y * a
    out[3] = w - x * a - y * b - z * c
    out /= sqrt(out[0] * out[0] + out[1] * out[1] + out[2] * out[2] + out[3] * out[3])
    return out


class SensorPipeline:
    r"""Measures a world once a tick.

    Ideal values come from the tape, each group as old as its latency says; forces of the feet are means
    over one tick, as load cells with an anti-aliasing filter give them. Then, for all channels at once,

    .. math:: y = r \, \mathrm{round}((x + b + n) / r), \quad n \sim N(0, \sigma^2)

    with bias ``b`` drawn once a start, noise ``n`` drawn every tick and resolution ``r``.
    """

    def __init__(self, world: World, data: Any, tape: Tape, config: SensorsConfig, seed: int) -> None:
        self._w, self._d, self._tape = world, data, tape
        self._seed = seed
        self._dt = float(world.model.opt.timestep)
        self.places = places()
        channels: dict[str, ChannelConfig] = {name: getattr(config, name) for name in SIZES}
        repeats = list(SIZES.values())
        noise = np.repeat([channels[n].noise for n in SIZES], repeats)
        self._bias_sd = np.repeat([channels[n].bias for n in SIZES], repeats)
        if not world.has_robot:
            absent = slice(0, self.places[ROBOT_GROUPS[-1]].stop)
            noise[absent] = self._bias_sd[absent] = 0.0
        resolution = np.repeat([channels[n].resolution for n in SIZES], repeats)
        # A step far below a float's resolution of any channel stands for "not quantised".
        step = np.where(resolution > 0.0, resolution, 1e-15)
        self._scale = np.zeros((5, step.size))
        self._scale[NOISE], self._scale[STEP], self._scale[INVERSE] = noise, step, 1.0 / step
        self._late = {name: round(channels[name].latency_s / self._dt) for name in SIZES}
        self._index(config.foot_contact_threshold_n)
        self.reset()

    def _index(self, threshold_n: float) -> None:
        w, model = self._w, self._w.model
        column = self._tape.column
        sensor = {name: column("sensor", part) for name, part in w.sensor_slices.items()}
        first = sensor[f"contact_{FOOT_POINTS[0]}_left"].start
        self._base_q = column("q", slice(w.base_q, w.base_q + 7)).start
        soles = [model.site(f"patient_sole_{side}").id for side in SIDES]
        self._rotations, self._sole_points = self._d.site_xmat, self._points_on_soles(soles)
        self._columns = record(
            TAPE,
            sites=soles,
            points=first,
            torque_late=self._late["joint_torque"],
            axes_late=self._late["segment_angle"],
            force_late=self._late["foot_force"],
            robot=w.has_robot,
            threshold=threshold_n,
        )
        # Channels that are a column of the tape as it is, or its negative, are gathered in one go.
        self._gather = np.zeros((2, self._scale.shape[1]), dtype=np.int64)
        for name, (columns, sign) in self._direct(sensor).items():
            at = self.places[name]
            self._gather[0, at] = self._tape.rows.shape[0] - 1 - self._late[name]
            self._gather[1, at], self._scale[SIGN, at] = columns, sign
        if not w.has_robot:
            return
        groups, c = self._tape.columns, self._columns
        c["drive"], c["speed"] = column("force", w.a_drive).start, column("v", w.exo_v).start
        c["constraint"], c["acceleration"] = groups["exo_constraint"].start, groups["exo_acceleration"].start
        c["armature"] = model.dof_armature[w.exo_v]
        c["damping"] = np.asarray(model.dof_damping).reshape(model.nv, -1)[w.exo_v, 0]
        c["axes"] = _all(sensor, "axis").start
        self._legs = RobotLegs(model)

    def _direct(self, sensor: dict[str, slice]) -> dict[str, tuple[NDArray[np.intp], float]]:
        """Return the columns of the tape that channels show as they are, with their sign."""
        w, column = self._w, self._tape.column
        guidance = _range(column("force", w.a_guidance))
        direct = {
            "pelvis_position": (_range(column("q", slice(w.base_q, w.base_q + 3))), 1.0),
            "pelvis_velocity": (_range(column("v", slice(w.base_v, w.base_v + 3))), 1.0),
            "pelvis_gyro": (_range(sensor["pelvis_gyro"]), 1.0),
            "pelvis_accel": (_range(sensor["pelvis_accel"]), 1.0),
            "unloading": (_range(self._tape.columns["tension"]), 1.0),
            "guidance_force": (guidance[:2], 1.0),
            "guidance_torque": (guidance[2:], 1.0),
        }
        if w.belt_v >= 0:
            direct["belt_speed"] = (_range(column("v", slice(w.belt_v, w.belt_v + 1))), -1.0)
        if w.has_robot:
            cuff = _range(column("force", w.a_cuff)).reshape(6, 6)
            direct |= {
                "angle": (_range(column("q", w.exo_q)), 1.0),
                "velocity": (_range(column("v", w.exo_v)), 1.0),
                "motor_torque": (_range(column("force", w.a_drive)), 1.0),
                "cuff_force": (cuff[:, :3].ravel(), 1.0),
                "cuff_moment": (cuff[:, 3:].ravel(), 1.0),
                # Turning about the world's y axis lowers the toe and takes the shank's end back.
                "segment_rate": (_range(_all(sensor, "rate"))[1::3], -1.0),
                "segment_accel": (_range(_all(sensor, "accel")), 1.0),
            }
        return direct

    def _points_on_soles(self, soles: list[int]) -> NDArray[np.float64]:
        """Return the contact points in each sole's frame, shape (2, 5, 2), the toe joint straight."""
        w, d = self._w, self._d
        out = np.empty((2, N_POINTS, 2))
        for side, site in enumerate(soles):
            rotation = d.site_xmat[site].reshape(3, 3)
            points = d.geom_xpos[w.g_points].reshape(2, N_POINTS, 3)[side]
            out[side] = ((points - d.site_xpos[site]) @ rotation)[:, :2]
        return out

    @property
    def angle_latency_s(self) -> float:
        """Age of the joint angles when they are read [s]."""
        return self._late["angle"] * self._dt

    def reset(self) -> None:
        """Draw new biases from the seed, and start its noise anew."""
        self._rng = np.random.default_rng([self._seed, _STREAM])
        self._scale[BIAS] = self._bias_sd * self._rng.standard_normal(self._bias_sd.size)

    # ------------------------------------------------------------------ one tick

    def measure(self, temperature_c: Vector) -> Vector:
        """Return all channels of this tick as one vector; groups lie at :attr:`places`."""
        normal = self._rng.standard_normal(self._bias_sd.size)
        tape = (self._columns, self._tape.rows, self._tape.newest, self._gather)
        return _measured(*tape, self._scale, normal, self._rotations, self._sole_points, temperature_c)

    # ------------------------------------------------------------------ derived

    def orientation(self, tilt: Vector) -> Vector:
        """Return the pelvis' measured quaternion (xyzw): the true one turned by the small vector ``tilt``."""
        return _turned(self._tape.late(self._late["pelvis_tilt"]), self._base_q + 3, tilt)

    def cuff_torque(self, angle: Vector, force: Vector, moment: Vector) -> Vector:
        """Return the robot's torque on the patient about its own joints [N m]; see :class:`RobotLegs`."""
        return self._legs.torque(angle, force, moment)
