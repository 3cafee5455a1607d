r"""Transparent mode: the robot carries itself and gives nothing.

.. math:: \tau = \tau_{comp}(q, \dot q) - G \tau_{cuff}

The compensation of :mod:`exostride.control.compensation` (gravity, Coriolis, inertia, friction), and a
feedback of the measured cuff torque that makes the remaining inertia feel smaller (van Dijk, van der
Kooij, Koopman & van Asseldonk, "Improving the transparency of a rehabilitation robot by exploiting the
cyclic behaviour of walking", ICORR 2013, for the difficulty; force feedback after Hogan & Buerger,
"Impedance and interaction control", 2005).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from pydantic import Field

from exostride.config import StrictModel, validate
from exostride.control.context import ControlContext
from exostride.control.tracking import Assistance, PathLaw, Track
from exostride.conventions import N_JOINTS
from exostride.types import Signal

_LARGEST_NM: Final = 200.0
"""No cuff bears more: a larger reading is the sensor's fault."""


class TransparentParameters(StrictModel):
    """Gain of the cuff feedback [1] and time constant of its filter [s].

    The cuff gain is small because the cuff is elastic and its sensor late: passivity asks for a gain
    below one (Colgate & Hogan 1989).
    """

    cuff_gain: float = Field(0.3, ge=0.0, lt=1.0)
    cuff_filter_s: float = Field(0.02, gt=0.0)


class TransparentController(PathLaw):
    """See module. ``parameters`` follow :class:`TransparentParameters`."""

    def __init__(self, context: ControlContext, parameters: Mapping[str, Any] | None = None) -> None:
        p = validate(TransparentParameters, dict(parameters or {}), "controller transparent")
        super().__init__(context)
        self._p = p
        self._share = context.period_s / (context.period_s + p.cuff_filter_s)
        self._cuff = np.zeros(N_JOINTS)

    def reset(self) -> None:
        """Forget the filtered cuff torque."""
        super().reset()
        self._cuff = np.zeros(N_JOINTS)

    def assist(self, track: Track) -> Assistance:
        """Return the cuff feedback; no spring, no damper."""
        measured = track.state.available & Signal.CUFF and np.isfinite(track.state.cuff_torque_nm).all()
        cuff = track.state.cuff_torque_nm if measured else np.zeros(N_JOINTS)
        cuff = np.minimum(np.maximum(cuff, -_LARGEST_NM), _LARGEST_NM)
        self._cuff = self._cuff + self._share * (cuff - self._cuff)
        none = np.zeros(N_JOINTS)
        return Assistance(-self._p.cuff_gain * self._cuff, none, none, none)
