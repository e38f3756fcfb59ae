"""The examples run as they are shown."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

from seqpo.training import checkpoints

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


@pytest.mark.slow
def test_the_library_in_ten_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(sys, "argv", ["ten_lines.py", "8", "1", str(tmp_path)])
    runpy.run_path(str(EXAMPLES / "ten_lines.py"), run_name="__main__")
    assert capsys.readouterr().out.startswith("READ ")
    assert checkpoints.latest(tmp_path / "sft")
    assert checkpoints.latest(tmp_path / "seqpo")
