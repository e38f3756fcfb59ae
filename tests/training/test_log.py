"""What a run writes down, and what is left of it after a crash."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from seqpo.training.log import RunLog, read_metrics


def steps(path: Path) -> list[float]:
    return [row["step"] for row in read_metrics(path)]


def logged(folder: Path, *numbers: int, done: int = 0) -> Path:
    with RunLog(folder, 10, done) as log:
        for step in numbers:
            log.write(step, {"loss": 1 / step})
    return folder / "metrics.jsonl"


def test_a_row_per_step(tmp_path: Path):
    rows = read_metrics(logged(tmp_path / "new", 1, 4))
    assert [(row["step"], row["loss"]) for row in rows] == [(1, 1.0), (4, 0.25)]
    assert all(row["seconds"] >= 0 for row in rows)


def test_a_row_can_be_read_as_soon_as_it_is_written(tmp_path: Path):
    with RunLog(tmp_path, 10) as log:
        log.write(1, {"loss": 2.0})
        assert steps(tmp_path / "metrics.jsonl") == [1]


def test_a_resumed_run_drops_what_came_after_its_checkpoint(tmp_path: Path):
    logged(tmp_path, 1, 2, 3, 4)
    assert steps(logged(tmp_path, 3, 4, 5, done=2)) == [1, 2, 3, 4, 5]


def test_a_run_that_is_killed_right_after_resuming_keeps_its_rows(tmp_path: Path):
    path = logged(tmp_path, 1, 2, 3)
    with RunLog(tmp_path, 10, done=2):
        assert steps(path) == [1, 2]  # as the file is before a row is written or anything closed


def test_a_fresh_run_begins_a_new_file(tmp_path: Path):
    logged(tmp_path, 1, 2, 3)
    assert steps(logged(tmp_path, 1)) == [1]


def test_a_silent_log_leaves_nothing(tmp_path: Path):
    with RunLog(tmp_path / "stage", 10, silent=True) as log:
        log.write(1, {"loss": 1.0})
    assert list(tmp_path.iterdir()) == []


def test_a_last_line_that_was_cut_off_is_left_out(tmp_path: Path):
    path = logged(tmp_path, 1, 2)
    path.write_text(path.read_text()[:-9])
    assert steps(path) == [1]
    assert steps(logged(tmp_path, 2, done=1)) == [1, 2]


def test_another_broken_line_is_named(tmp_path: Path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"step"\n{"step": 3}\n')
    with pytest.raises(ValueError, match=r"metrics\.jsonl:2: not JSON .*; delete the line to go on"):
        read_metrics(path)


def test_a_missing_file_is_empty(tmp_path: Path):
    assert read_metrics(tmp_path / "metrics.jsonl") == []


def test_tensorboard_shows_the_same_numbers(tmp_path: Path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    rows = read_metrics(logged(tmp_path, 1, 2, 5))
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    shown = [(event.step, event.value) for event in events.Scalars("loss")]
    assert shown == [(row["step"], pytest.approx(row["loss"])) for row in rows]


def test_the_console_hears_of_every_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with RunLog(tmp_path / "sft", 10) as log:
        log.write(1, {"loss": 1.0}, "loss 1.000")
    assert "sft 1: loss 1.000" in capsys.readouterr().err
    json.loads((tmp_path / "sft" / "metrics.jsonl").read_text())
