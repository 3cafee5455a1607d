"""Run ROS 2 YAML launch files where the ``launch`` packages are not installed.

:func:`load` turns a file and its arguments into a :class:`LaunchPlan`; :func:`run` starts the plan and
returns the exit code. ``exostride launch`` (:mod:`exostride.runtime.launch.command`) is made of the two.
"""

from exostride.runtime.launch.description import Argument, LaunchPlan, ProcessSpec
from exostride.runtime.launch.interpreter import declared_arguments, load
from exostride.runtime.launch.supervisor import Timeouts, run

__all__ = ["Argument", "LaunchPlan", "ProcessSpec", "Timeouts", "declared_arguments", "load", "run"]
