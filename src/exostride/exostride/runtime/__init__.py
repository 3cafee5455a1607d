"""The components of the graph and the runner that steps them on a virtual clock."""
