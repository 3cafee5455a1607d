"""Body, robot and their equations of motion: anthropometry, URDF, Pinocchio and MuJoCo models."""
