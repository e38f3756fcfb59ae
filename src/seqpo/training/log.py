"""What a run says of itself: a line of JSON per step, a live line on the console, TensorBoard where installed."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class RunLog:
    """Writes `metrics.jsonl` and shows progress. A silent one (other processes) does neither.

    Args:
        folder: of the stage, whose name is shown; created if needed.
        steps: number of steps of the stage.
        done: steps that were taken before; later rows of an interrupted run are dropped from the file.
        silent: write and show nothing.
    """

    def __init__(self, folder: Path, steps: int, done: int = 0, *, silent: bool = False) -> None:
        self._file: TextIO | None = None
        self._board: SummaryWriter | None = None
        self._progress: Progress | None = None
        self._began = time.monotonic()
        if silent:
            return
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "metrics.jsonl"
        kept = [row for row in read_metrics(path) if int(row["step"]) <= done] if done else []
        draft = path.with_suffix(".partial")  # a kill between here and the next row must not cost the earlier ones
        draft.write_text("".join(json.dumps(row) + "\n" for row in kept), encoding="utf-8")
        os.replace(draft, path)
        self._file = path.open("a", encoding="utf-8")
        if importlib.util.find_spec("tensorboard"):
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=done)
        columns = (TextColumn("{task.description}"), BarColumn(24), MofNCompleteColumn(), TimeElapsedColumn())
        shown = TextColumn("{task.fields[shown]}")
        self._progress = Progress(*columns, TimeRemainingColumn(), shown, console=Console(file=sys.stderr))
        self._task = self._progress.add_task(folder.name, total=steps, completed=done, shown="")
        self._title = folder.name

    def __enter__(self) -> RunLog:
        if self._progress is not None:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()
        if self._board is not None:
            self._board.close()
        if self._file is not None:
            self._file.close()

    def write(self, step: int, values: Mapping[str, float], shown: str = "") -> None:
        """Record the values of a step, and show a short text beside the progress bar."""
        if self._file is not None:
            with _uninterrupted():
                self._write(self._file, step, values, shown)

    def _write(self, file: TextIO, step: int, values: Mapping[str, float], shown: str) -> None:
        row = {"step": step, "seconds": round(time.monotonic() - self._began, 3), **values}
        file.write(json.dumps(row) + "\n")
        file.flush()
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(name, value, step)
        if self._progress is not None:
            self._progress.update(self._task, completed=step, shown=shown)
            if not self._progress.console.is_terminal:
                print(f"{self._title} {step}: {shown}", file=sys.stderr, flush=True)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C back until the block ends: TensorBoard's queue would keep its lock, and closing it would hang."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[int] = []
    usual = signal.signal(signal.SIGINT, lambda number, _: held.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
    if held:
        signal.raise_signal(signal.SIGINT)


def read_metrics(path: Path) -> list[dict[str, float]]:
    """Read a `metrics.jsonl`; a last line that was cut off by a crash is left out, a missing file is empty.

    Raises:
        ValueError: another line that is not JSON.
    """
    if not path.exists():
        return []
    rows = []
    lines = path.read_text(encoding="utf-8").split("\n")
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError as error:
            if number >= len(lines) - 1:
                break
            raise ValueError(f"{path}:{number}: not JSON ({error.msg}); delete the line to go on") from error
    return rows
