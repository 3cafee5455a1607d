"""``exostride doctor``: see :mod:`exostride.doctor`."""

from exostride.doctor import doctor

__all__ = ["doctor"]
