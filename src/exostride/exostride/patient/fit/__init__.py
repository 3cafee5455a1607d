"""Offline: the consistent gait that the virtual patient has learned."""
