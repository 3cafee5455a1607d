"""``exostride launch``: see :mod:`exostride.runtime.launch.command`."""

from exostride.runtime.launch.command import launch

__all__ = ["launch"]
