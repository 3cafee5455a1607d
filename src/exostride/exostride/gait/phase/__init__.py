"""Gait phase estimators, one file each; chosen by name in ``config/nodes/gait_phase.yaml``."""
