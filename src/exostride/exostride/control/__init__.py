"""Control laws: assistance of the joints, belt and harness, and the settings they follow."""
