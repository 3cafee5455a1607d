"""Builds the components from names and parameters: once, for the nodes and for the virtual clock.

Each node imports the one module it needs, so that it starts without the libraries of the others.
"""
