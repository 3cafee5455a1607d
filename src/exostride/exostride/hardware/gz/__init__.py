"""What the ``gazebo`` device is made of: world files, frames, the server's process, the engine's seam."""
