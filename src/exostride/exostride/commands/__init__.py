"""Commands of the ``exostride`` command line, one module each."""
