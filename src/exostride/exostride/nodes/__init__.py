"""ROS 2 nodes around the pure components: they translate, wait and report, and decide nothing."""
