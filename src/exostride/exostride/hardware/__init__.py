"""Devices: the simulated one, a replayed recording, Gazebo, and later a real exoskeleton."""
