"""The virtual patient: volition, muscles, tissue, reflexes, and what impairs them."""
