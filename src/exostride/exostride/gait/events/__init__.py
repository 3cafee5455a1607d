"""Gait events: heel strike and toe off of each leg, from foot load or from kinematics alone."""

from exostride.gait.events.detector import LegEvents
from exostride.gait.events.foot import FootDetector
from exostride.gait.events.load import LoadDetector
from exostride.gait.events.thigh import ThighDetector

__all__ = ["FootDetector", "LegEvents", "LoadDetector", "ThighDetector"]
