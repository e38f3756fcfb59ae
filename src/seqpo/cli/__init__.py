"""One command, `seqpo`."""

from seqpo.cli.main import main

__all__ = ["main"]
