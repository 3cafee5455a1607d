"""From recordings to metrics."""
