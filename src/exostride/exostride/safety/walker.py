r"""The walker's own joint torques: what the legs' motion asks for and neither cuff nor ground gives.

A leg is three segments in the sagittal plane, hung at a hip that moves. With their angles from the vertical
\theta = (\alpha, \beta, \gamma), constants A of their masses and lengths, the hip's specific force f and the
lever arms r of ground force F and cuff torque, momentum and its change are

.. math:: P_i = \sum_j A_{ij}\cos(\theta_i - \theta_j)\,\dot\theta_j, \qquad
          \dot P_i = -\sum_j A_{ij}\sin(\theta_i - \theta_j)\,\dot\theta_i\dot\theta_j
                     - S_i\,(f_x\cos\theta_i + f_z\sin\theta_i) + Q_i^{cuff} + Q_i^{ground} + Q_i^{walker}

and a first-order observer of momentum (De Luca & Mattone, ICRA 2003) yields the last term without an
acceleration. Here on purpose: the controllers' estimate of the same torque shares no line with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import atan2, cos, exp, hypot, pi, sin

from exostride.conventions import SIDES
from exostride.types import ExoState


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment hanging straight down: length, mass, centre from the upper joint (forward, up), inertia."""

    length_m: float
    mass_kg: float
    x_m: float
    z_m: float
    inertia_kg_m2: float


@dataclass(frozen=True, slots=True)
class Walker:
    """Segments of one leg and the sole below the ankle; the hip is taken to move as the pelvis IMU does.

    The default is de Leva's (1996) man of 1.75 m and 72 kg in shoes.
    """

    thigh: Segment = Segment(0.429, 9.99, 0.0, -0.179, 0.196)
    shank: Segment = Segment(0.431, 3.12, 0.0, -0.189, 0.0350)
    foot: Segment = Segment(0.0, 0.986, 0.051, -0.0342, 0.00315)
    sole_m: float = -0.088


class _Leg:
    """Observer of one leg."""

    def __init__(self, walker: Walker, share: float, period_s: float) -> None:
        t, s, f = walker.thigh, walker.shank, walker.foot
        self._share, self._rate = share, 1.0 / period_s
        self._lengths = (t.length_m, s.length_m)
        self._sole = walker.sole_m
        arm = hypot(f.x_m, f.z_m)
        self._tilt = atan2(f.x_m, -f.z_m)
        below = s.mass_kg + f.mass_kg
        self._own = (
            t.inertia_kg_m2 + t.mass_kg * t.z_m**2 + below * t.length_m**2,
            s.inertia_kg_m2 + s.mass_kg * s.z_m**2 + f.mass_kg * s.length_m**2,
            f.inertia_kg_m2 + f.mass_kg * arm**2,
        )
        reach = f.mass_kg * s.length_m - s.mass_kg * s.z_m
        # Between thigh and shank, thigh and foot, shank and foot.
        self._between = (t.length_m * reach, t.length_m * f.mass_kg * arm, s.length_m * f.mass_kg * arm)
        self._weight = (below * t.length_m - t.mass_kg * t.z_m, reach, f.mass_kg * arm)
        self.reset()

    def reset(self) -> None:
        self._last: tuple[float, float, float] | None = None
        self._torque = (0.0, 0.0, 0.0)

    def step(
        self,
        angle: list[float],
        speed: list[float],
        hip: tuple[float, float],
        cuff: list[float],
        ground: tuple[float, float, float],
    ) -> tuple[float, float, float]:
        """Return the walker's torque at hip, knee and ankle [N m].

        ``angle`` and ``speed`` are the three segments', ``hip`` the specific force there, ``ground`` the
        force forward and up and the centre of pressure in front of the ankle.
        """
        a, b, c = angle
        va, vb, vc = speed
        tilted = c + self._tilt
        ab, ac, bc = self._between
        cos_ab, cos_ac, cos_bc = ab * cos(a - b), ac * cos(a - tilted), bc * cos(b - tilted)
        oa, ob, oc = self._own
        momentum = (
            oa * va + cos_ab * vb + cos_ac * vc,
            ob * vb + cos_ab * va + cos_bc * vc,
            oc * vc + cos_ac * va + cos_bc * vb,
        )
        known = self._known((a, b, c), (va, vb, vc), hip, cuff, ground)
        last, self._last = self._last, momentum
        if last is None:
            return 0.0, 0.0, 0.0
        share, rate, now = self._share, self._rate, self._torque
        qa, qb, qc = (
            old + share * ((p - p0) * rate - u - old)
            for p, p0, u, old in zip(momentum, last, known, now, strict=True)
        )
        self._torque = (qa, qb, qc)
        # Segments feel the torques of both their joints: Q = (hip + knee, -knee - ankle, ankle).
        knee = -qb - qc
        return qa - knee, knee, qc

    def _known(
        self,
        angle: tuple[float, float, float],
        speed: tuple[float, float, float],
        hip: tuple[float, float],
        cuff: list[float],
        ground: tuple[float, float, float],
    ) -> tuple[float, float, float]:
        """Return what changes the segments' momenta beside the walker [N m]."""
        a, b, c = angle
        va, vb, vc = speed
        tilted = c + self._tilt
        ab, ac, bc = self._between
        sin_ab = ab * sin(a - b) * va * vb
        sin_ac, sin_bc = ac * sin(a - tilted) * va * vc, bc * sin(b - tilted) * vb * vc
        fx, fz = hip
        wa, wb, wc = self._weight
        gx, gz, x = ground
        thigh, shank = self._lengths
        z = self._sole
        # The pressed point of the sole about the ankle, turned with the foot.
        px, pz = x * cos(c) - z * sin(c), x * sin(c) + z * cos(c)
        return (
            -sin_ab
            - sin_ac
            - wa * (fx * cos(a) + fz * sin(a))
            + cuff[0]
            + cuff[1]
            + thigh * (gx * cos(a) + gz * sin(a)),
            sin_ab
            - sin_bc
            - wb * (fx * cos(b) + fz * sin(b))
            - cuff[1]
            - cuff[2]
            + shank * (gx * cos(b) + gz * sin(b)),
            sin_ac + sin_bc - wc * (fx * cos(tilted) + fz * sin(tilted)) + cuff[2] + gz * px - gx * pz,
        )


class WalkerTorque:
    """Joint torques of the walker, both legs, from one tick's measurements.

    Parameters
    ----------
    walker
        Segments of the person.
    period_s
        Control period [s].
    bandwidth_hz
        Of the observer; its delay is 1 / (2 pi bandwidth).
    """

    def __init__(self, walker: Walker, period_s: float, bandwidth_hz: float) -> None:
        share = 1.0 - exp(-2.0 * pi * bandwidth_hz * period_s)
        self._legs = [_Leg(walker, share, period_s) for _ in SIDES]
        self.settle_ticks = round(5.0 / share)
        """Ticks after :meth:`reset` until the estimate has forgotten its start."""
        self.reset()

    def reset(self) -> None:
        """Forget the motion so far."""
        for leg in self._legs:
            leg.reset()

    def step(self, exo: ExoState, cuff: list[float]) -> list[float]:
        """Return the walker's torque at the six joints [N m], flexion positive; ``cuff`` [N m] is the cuffs'.

        Angles are the segment IMUs': an encoder that fails is no spasm.
        """
        x, y, z, w = exo.pelvis_orientation.tolist()
        pitch = atan2(2.0 * (w * y - z * x), 1.0 - 2.0 * (x * x + y * y))
        ax, _, az = exo.pelvis_accel_m_s2.tolist()
        hip = ax * cos(pitch) + az * sin(pitch), az * cos(pitch) - ax * sin(pitch)
        angle, speed = exo.segment_angle_rad.tolist(), exo.segment_rate_rad_s.tolist()
        force, cop = exo.foot_force_n.tolist(), exo.foot_cop_m.tolist()
        out: list[float] = []
        for side, leg in enumerate(self._legs):
            part = slice(3 * side, 3 * side + 3)
            ground = (force[3 * side], force[3 * side + 2], cop[2 * side])
            out += leg.step(angle[part], speed[part], hip, cuff[part], ground)
        return out
