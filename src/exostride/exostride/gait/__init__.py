"""Reference gait, gait phase and events."""
