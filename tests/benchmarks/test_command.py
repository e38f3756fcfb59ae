"""`python -m benchmarks` as a user types it; what it measures is tested beside the benchmarks themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.__main__ import main


@pytest.mark.parametrize("name", ["rollout", "update"])
def test_a_benchmark_tells_its_settings(name: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as left:
        main([name, "--help"])
    assert left.value.code in (0, None)
    assert "--rounds" in capsys.readouterr().out


def test_without_a_name_it_says_which_there_are(capsys: pytest.CaptureFixture[str]):
    assert main([]) == 2
    assert "say which benchmark: rollout, update" in capsys.readouterr().err


def test_settings_without_meaning_are_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    try:
        status: object = main(["rollout", "--rounds", "0", "--json", str(tmp_path / "x.json")])
    except SystemExit as left:
        status = left.code
    assert status not in (0, None)
    printed = capsys.readouterr()
    assert "a round and a thread at least" in (printed.err + printed.out).replace("│", "").replace("\n", "")
    assert not (tmp_path / "x.json").exists()
