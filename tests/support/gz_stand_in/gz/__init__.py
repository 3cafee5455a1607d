"""A stand-in for a modern Gazebo's Python bindings, for machines without one; see :mod:`gz.sim`."""
