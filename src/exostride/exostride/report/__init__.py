"""The page a therapist can show: one HTML file that needs nothing beside it, or a PDF."""

from exostride.report.make import make

__all__ = ["make"]
