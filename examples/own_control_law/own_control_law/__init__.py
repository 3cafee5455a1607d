"""A control law for Exostride in a package of its own."""
