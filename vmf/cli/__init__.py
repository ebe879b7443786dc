"""The command line: ``vmf extract``, ``vmf fit``, ``vmf score``, ``vmf sample``, ``vmf info``.

Each command parses its arguments, calls one function of the library and prints the result.
"""

from vmf.cli.app import app

__all__ = ["app"]
