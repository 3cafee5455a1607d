"""What the machine measures: ideal values, late, noisy, biased and quantised, all channels in one go."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from exostride.conventions import CUFFS, N_JOINTS, SEGMENTS, SIDES
from exostride.plant.body_state import N_POINTS
from exostride.plant.config import ChannelConfig, SensorsConfig
from exostride.plant.parts import FOOT_POINTS
from exostride.plant.tape import Tape
from exostride.plant.world import World
from exostride.types import Vector

SIZES = {
    "angle": 6,
    "velocity": 6,
    "joint_torque": 6,
    "motor_torque": 6,
    "cuff_force": 18,
    "cuff_moment": 18,
    "segment_angle": 6,
    "segment_rate": 6,
    "segment_accel": 18,
    "motor_temperature": 6,
    "foot_force": 6,
    "foot_cop": 4,
    "foot_load": 4,
    "pelvis_position": 3,
    "pelvis_velocity": 3,
    "pelvis_tilt": 3,
    "pelvis_gyro": 3,
    "pelvis_accel": 3,
    "belt_speed": 1,
    "unloading": 1,
    "guidance_force": 2,
    "guidance_torque": 1,
}
"""Groups of channels and how many each has; the order is that of the flat vector."""
ROBOT_GROUPS = tuple(SIZES)[:10]


_BELOW = np.triu(np.ones((3, 3)))
"""Sums thigh, shank and foot over what hangs below hip, knee and ankle."""


def places() -> dict[str, slice]:
    """Return where each group lies in the flat vector of channels."""
    edges = np.cumsum([0, *SIZES.values()])
    return {name: slice(int(a), int(b)) for name, a, b in zip(SIZES, edges[:-1], edges[1:], strict=True)}


def cross(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return row-wise cross products of vectors in the first three columns of two (N, 5) arrays.

    Columns four and five are overwritten with one and two, so that both cyclic orders are plain views; on
    few rows this is several times faster than :func:`numpy.cross`.
    """
    a[:, 3:], b[:, 3:] = a[:, :2], b[:, :2]
    out: NDArray[np.float64] = a[:, 1:4] * b[:, 2:5]
    out -= a[:, 2:5] * b[:, 1:4]
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
        self._noise = np.repeat([channels[n].noise for n in SIZES], repeats)
        self._bias_sd = np.repeat([channels[n].bias for n in SIZES], repeats)
        if not world.has_robot:
            absent = slice(0, self.places[ROBOT_GROUPS[-1]].stop)
            self._noise[absent] = self._bias_sd[absent] = 0.0
        resolution = np.repeat([channels[n].resolution for n in SIZES], repeats)
        # A step far below a float's resolution of any channel stands for "not quantised".
        self._step = np.where(resolution > 0.0, resolution, 1e-15)
        self._inverse = 1.0 / self._step
        self._late = {name: round(channels[name].latency_s / self._dt) for name in SIZES}
        self._threshold = config.foot_contact_threshold_n
        self._index()
        self.reset()

    def _index(self) -> None:
        w, model = self._w, self._w.model
        column = self._tape.column
        sensor = {name: column("sensor", part) for name, part in w.sensor_slices.items()}
        self._sensor = sensor
        first = sensor[f"contact_{FOOT_POINTS[0]}_left"].start
        self._points = slice(first, first + 6 * N_POINTS)
        self._base_q = column("q", slice(w.base_q, w.base_q + 3))
        self._base_v = column("v", slice(w.base_v, w.base_v + 3))
        self._guidance = column("force", w.a_guidance)
        self._belt_v = column("v", slice(w.belt_v, w.belt_v + 1)) if w.belt_v >= 0 else None
        soles = [model.site(f"patient_sole_{side}").id for side in SIDES]
        self._soles = np.array(soles)
        self._sole_points = self._points_on_soles(soles)
        if not w.has_robot:
            return
        self._exo_q, self._exo_v = column("q", w.exo_q), column("v", w.exo_v)
        self._drive, self._cuff = column("force", w.a_drive), column("force", w.a_cuff)
        self._armature = np.array(model.dof_armature[w.exo_v])
        self._damping = np.asarray(model.dof_damping).reshape(model.nv, -1)[w.exo_v, 0]
        for kind in ("axis", "rate", "accel"):
            start = sensor[f"{kind}_{SEGMENTS[0]}"].start
            sensor[kind] = slice(start, start + 18)
        self._cuff_sites = np.array([model.site(name).id for name in CUFFS])
        joint_ids = model.dof_jntid[w.exo_v]
        self._joints = np.array(joint_ids)
        self._wrench = np.empty((6, 3, 2))
        self._place = np.empty((2 * N_JOINTS, 5))
        self._force = np.empty((2 * N_JOINTS, 5))

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
        self._rng = np.random.Generator(np.random.PCG64(self._seed))
        self._bias = self._bias_sd * self._rng.standard_normal(self._bias_sd.size)

    # ------------------------------------------------------------------ one tick

    def measure(self, temperature_c: Vector) -> Vector:
        """Return all channels of this tick as one vector; groups lie at :attr:`places`."""
        values = np.zeros(self._noise.size)
        if self._w.has_robot:
            self._robot(values, temperature_c)
        self._feet(values)
        self._machine(values)
        values += self._bias
        values += self._noise * self._rng.standard_normal(values.size)
        values *= self._inverse
        np.rint(values, out=values)
        values *= self._step
        return values

    def _row(self, group: str) -> NDArray[np.float64]:
        return self._tape.late(self._late[group])

    def _robot(self, values: Vector, temperature_c: Vector) -> None:
        at = self.places
        values[at["angle"]] = self._row("angle")[self._exo_q]
        values[at["velocity"]] = self._row("velocity")[self._exo_v]
        row = self._row("joint_torque")
        columns = self._tape.columns
        # Between gear and link: what the motor makes, less what its rotor, friction and end stop take.
        values[at["joint_torque"]] = (
            row[self._drive]
            + row[columns["exo_constraint"]]
            - self._armature * row[columns["exo_acceleration"]]
            - self._damping * row[self._exo_v]
        )
        values[at["motor_torque"]] = self._row("motor_torque")[self._drive]
        values[at["cuff_force"]] = self._row("cuff_force")[self._cuff].reshape(6, 6)[:, :3].ravel()
        values[at["cuff_moment"]] = self._row("cuff_moment")[self._cuff].reshape(6, 6)[:, 3:].ravel()
        axes = self._row("segment_angle")[self._sensor["axis"]].reshape(2, 3, 3)
        # Thigh and shank: how far the lower end is in front; foot: how far the toe is up.
        angle = np.empty((2, 3))
        angle[:, :2] = np.arctan2(-axes[:, :2, 0], axes[:, :2, 2])
        angle[:, 2] = np.arctan2(axes[:, 2, 2], axes[:, 2, 0])
        values[at["segment_angle"]] = angle.ravel()
        values[at["segment_rate"]] = -self._row("segment_rate")[self._sensor["rate"]][1::3]
        values[at["segment_accel"]] = self._row("segment_accel")[self._sensor["accel"]]
        values[at["motor_temperature"]] = temperature_c

    def _feet(self, values: Vector) -> None:
        at, rows, n = self.places, self._tape.rows, self._tape.newest
        end = rows.shape[0] - self._late["foot_force"]
        force = (rows[end - n : end, self._points].sum(axis=0) / n).reshape(2, N_POINTS, 3)
        values[at["foot_force"]] = force.sum(axis=1).ravel()
        normal = np.matmul(force, self._d.site_xmat[self._soles].reshape(2, 3, 3)[:, :, 2:])[:, :, 0]
        load = normal.sum(axis=1)
        cop = values[at["foot_cop"]].reshape(2, 2)
        for side in (0, 1):
            if load[side] > self._threshold:
                cop[side] = normal[side] @ self._sole_points[side] / load[side]
        values[at["foot_load"]] = np.add.reduceat(normal, (0, 2), axis=1).ravel()

    def _machine(self, values: Vector) -> None:
        at, sensor = self.places, self._sensor
        values[at["pelvis_position"]] = self._row("pelvis_position")[self._base_q]
        values[at["pelvis_velocity"]] = self._row("pelvis_velocity")[self._base_v]
        values[at["pelvis_gyro"]] = self._row("pelvis_gyro")[sensor["pelvis_gyro"]]
        values[at["pelvis_accel"]] = self._row("pelvis_accel")[sensor["pelvis_accel"]]
        if self._belt_v is not None:
            values[at["belt_speed"]] = -self._row("belt_speed")[self._belt_v]
        values[at["unloading"]] = self._row("unloading")[-1]
        guidance = self._row("guidance_force")[self._guidance]
        values[at["guidance_force"]] = guidance[:2]
        values[at["guidance_torque"]] = guidance[2]

    # ------------------------------------------------------------------ derived

    def orientation(self, tilt: Vector) -> Vector:
        """Return the pelvis' measured quaternion (xyzw): the true one turned by the small vector ``tilt``."""
        row = self._row("pelvis_tilt")
        start = self._base_q.start
        w, x, y, z = row[start + 3 : start + 7].tolist()
        a, b, c = (0.5 * tilt).tolist()
        out = np.array(
            [
                x + w * a + y * c - z * b,
                y + w * b + z * a - x * c,
                z + w * c + x * b - y * a,
                w - x * a - y * b - z * c,
            ]
        )
        out /= np.sqrt(out @ out)
        return out

    def cuff_torque(self, force: Vector, moment: Vector) -> Vector:
        """Return the robot's torque on the patient about each of the robot's joints [N m], shape (6,).

        From the *measured* cuff forces and moments (cuff frames) and the robot's own kinematics: the
        wrenches of all cuffs below a joint, moved to the joint and projected on its axis,
        ``a . sum(m_c + (p_c - p_j) x f_c)``.
        """
        d, buffer = self._d, self._wrench
        buffer[:, :, 0] = force.reshape(6, 3)
        buffer[:, :, 1] = moment.reshape(6, 3)
        turned = np.matmul(d.site_xmat[self._cuff_sites].reshape(6, 3, 3), buffer)
        place, f = self._place, self._force
        place[:6, :3], place[6:, :3] = d.site_xpos[self._cuff_sites], d.xanchor[self._joints]
        f[:6, :3] = turned[:, :, 0]
        f[6:, :3] = np.matmul(_BELOW, f[:6, :3].reshape(2, 3, 3)).reshape(6, 3)
        lever = cross(place, f)
        moments = np.matmul(_BELOW, (turned[:, :, 1] + lever[:6]).reshape(2, 3, 3)).reshape(6, 3)
        moments -= lever[6:]
        moments *= d.xaxis[self._joints]
        torque: Vector = moments.sum(axis=1)
        return torque
