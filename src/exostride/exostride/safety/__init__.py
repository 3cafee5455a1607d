"""Safety: the kernel that has the last word on torque, the supervisor above it, and their evidence."""
