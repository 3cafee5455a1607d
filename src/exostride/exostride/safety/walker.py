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
from exostride.safety.intake import PLACES

_LEAN, _RATE = PLACES["segment_angle_rad"], PLACES["segment_rate_rad_s"]
_FORCE, _COP, _ACCEL = PLACES["foot_force_n"], PLACES["foot_cop_m"], PLACES["pelvis_accel_m_s2"]


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
        self._keep, self._rate = 1.0 - share, 1.0 / period_s
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
        ticks: int,
    ) -> tuple[float, float, float]:
        """Return the walker's torque at hip, knee and ankle [N m].

        ``angle`` and ``speed`` are the three segments', ``hip`` the specific force there, ``ground`` the
        force forward and up and the centre of pressure in front of the ankle, ``ticks`` how many periods
        ago the last step was.
        """
        a, b, c = angle
        va, vb, vc = speed
        tilted = c + self._tilt
        ab, ac, bc = self._between
        cos_ab, cos_ac, cos_bc = ab * cos(a - b), ac * cos(a - tilted), bc * cos(b - tilted)
        oa, ob, oc = self._own
        pa = oa * va + cos_ab * vb + cos_ac * vc
        pb = ob * vb + cos_ab * va + cos_bc * vc
        pc = oc * vc + cos_ac * va + cos_bc * vb
        last, self._last = self._last, (pa, pb, pc)
        if last is None:
            return 0.0, 0.0, 0.0
        ua, ub, uc = self._known(angle, speed, hip, cuff, ground)
        share, rate, (qa, qb, qc) = 1.0 - self._keep**ticks, self._rate / ticks, self._torque
        qa += share * ((pa - last[0]) * rate - ua - qa)
        qb += share * ((pb - last[1]) * rate - ub - qb)
        qc += share * ((pc - last[2]) * rate - uc - qc)
        self._torque = (qa, qb, qc)
        # Segments feel the torques of both their joints: Q = (hip + knee, -knee - ankle, ankle).
        knee = -qb - qc
        return qa - knee, knee, qc

    def _known(
        self,
        angle: list[float],
        speed: list[float],
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
        cos_a, sin_a, cos_b, sin_b, cos_c, sin_c = cos(a), sin(a), cos(b), sin(b), cos(c), sin(c)
        upper, middle, lower = cuff
        # The pressed point of the sole about the ankle, turned with the foot.
        px, pz = x * cos_c - z * sin_c, x * sin_c + z * cos_c
        return (
            -sin_ab
            - sin_ac
            - wa * (fx * cos_a + fz * sin_a)
            + upper
            + middle
            + thigh * (gx * cos_a + gz * sin_a),
            sin_ab
            - sin_bc
            - wb * (fx * cos_b + fz * sin_b)
            - middle
            - lower
            + shank * (gx * cos_b + gz * sin_b),
            sin_ac + sin_bc - wc * (fx * cos(tilted) + fz * sin(tilted)) + lower + gz * px - gx * pz,
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

    def step(self, values: list[float], pitch: float, cuff: list[float], ticks: int = 1) -> list[float]:
        """Return the walker's torque at the six joints [N m], flexion positive.

        Angles are the segment IMUs': an encoder that fails is no spasm.

        Parameters
        ----------
        values
            Those of the state, at :data:`exostride.safety.intake.PLACES`.
        pitch
            Of the pelvis [rad].
        cuff
            Torque of the cuffs at the joints [N m].
        ticks
            Periods since the last step: more than one when a tick was not measured.
        """
        ax, _, az = values[_ACCEL]
        along, across = cos(pitch), sin(pitch)
        hip = ax * along + az * across, az * along - ax * across
        angle, speed = values[_LEAN], values[_RATE]
        lx, _, lz, rx, _, rz = values[_FORCE]
        left_cop, _, right_cop, _ = values[_COP]
        left, right = self._legs
        return [
            *left.step(angle[:3], speed[:3], hip, cuff[:3], (lx, lz, left_cop), ticks),
            *right.step(angle[3:], speed[3:], hip, cuff[3:], (rx, rz, right_cop), ticks),
        ]
