"""Open ROS 2 stack for robotic gait training with a lower-limb exoskeleton."""
