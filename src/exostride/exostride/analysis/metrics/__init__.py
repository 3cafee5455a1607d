"""Every metric, by chapter; importing this package fills the registry."""

import exostride.analysis.metrics.assessment
import exostride.analysis.metrics.effort
import exostride.analysis.metrics.kinematics
import exostride.analysis.metrics.kinetics
import exostride.analysis.metrics.running
import exostride.analysis.metrics.spatiotemporal
import exostride.analysis.metrics.stability
import exostride.analysis.metrics.symmetry  # noqa: F401
