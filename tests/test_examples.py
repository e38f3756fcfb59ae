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
    assert checkpoints.latest(tmp_path / "policy")


def test_the_readme_shows_the_same_ten_lines():
    example = (EXAMPLES / "ten_lines.py").read_text(encoding="utf-8")
    body = example[example.index("import seqpo") :]
    body = body.replace("int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])", '600, 30, Path("runs/ten")')
    assert body in (EXAMPLES.parent / "README.md").read_text(encoding="utf-8")
