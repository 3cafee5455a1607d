"""Recording without loss: bags that ROS tools open, read back as columns, recovered after damage."""
