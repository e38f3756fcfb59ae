"""Run commands as a user does, in this process."""

from __future__ import annotations

import pytest

from seqpo.cli import main


def seqpo(*arguments: object) -> None:
    """Run a command that must succeed."""
    assert main([str(argument) for argument in arguments]) == 0


def fails(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Run a command that must fail; return what it says."""
    capsys.readouterr()
    try:
        status: object = main([str(argument) for argument in arguments])
    except SystemExit as left:
        status = left.code
    told = capsys.readouterr()
    assert status not in (0, None)
    assert "Traceback" not in told.err
    return told.err + told.out
