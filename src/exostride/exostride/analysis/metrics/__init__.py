"""Every metric, by chapter; importing this package fills the registry."""

from exostride.analysis.metrics import (
    effort,
    kinematics,
    kinetics,
    running,
    spatiotemporal,
    stability,
    symmetry,
)

__all__ = ["effort", "kinematics", "kinetics", "running", "spatiotemporal", "stability", "symmetry"]
