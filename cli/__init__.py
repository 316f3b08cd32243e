"""The command line, in one place, on top of all parts.

Exit codes: 0 all well; 1 an error; 2 wrong usage; 3 something was set aside or could not be read; 4 damage was found.
"""

from .app import main

__all__ = ["main"]
