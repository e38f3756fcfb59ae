"""How contestants are timed against each other, and what a benchmark reports."""

from __future__ import annotations

import datetime
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from rich.table import Table

Times = dict[str, list[float]]
"""Seconds of each contestant, round by round."""


class BenchError(AssertionError):
    """Contestants whose results should be equal, and are not: their times must not be compared."""


@dataclass(frozen=True)
class Result:
    """What a benchmark found.

    Attributes:
        name: of the benchmark.
        ratios: how many times the library's way is better than each baseline; `floor` is the library's time over
            the least possible.
        equal: what was checked: True for what is equal, as asserted; a number for what only agrees.
        medians: of the seconds (or, where the name says so, bytes) of each contestant.
        setup: everything needed to repeat it.
        curve: ratio to the baseline `reprompt` by number of turns, where it was measured.
    """

    name: str
    ratios: dict[str, float]
    equal: dict[str, bool | float]
    medians: dict[str, float]
    setup: dict[str, Any]
    curve: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the result as plain data."""
        data = asdict(self)
        return data if self.curve else {key: value for key, value in data.items() if key != "curve"}

    def table(self) -> Table:
        """Return the result as a table for the terminal."""
        from rich.table import Table

        table = Table(title=f"bench {self.name}", title_justify="left")
        table.add_column("what")
        table.add_column("value", justify="right")
        sections = {
            "ratio: {}": {key: f"{value:.2f}×" for key, value in self.ratios.items()},
            "ratio to reprompt, {} turns": {key: f"{value:.2f}×" for key, value in self.curve.items()},
            "equal: {}": {key: str(value) for key, value in self.equal.items()},
            "median: {}": {key: f"{value:,.3f}" for key, value in self.medians.items()},
        }
        for title, rows in sections.items():
            for key, value in rows.items():
                table.add_row(title.format(key), value)
            table.add_section()
        return table


def in_turns(contestants: Mapping[str, Callable[[], object]], rounds: int) -> Times:
    """Time contestants in turns, so that whatever slows the machine down for a while slows all of them.

    Args:
        contestants: by name.
        rounds: that are timed, after one that warms up.
    """
    times: Times = {name: [] for name in contestants}
    for number in range(rounds + 1):
        for name, run in contestants.items():
            began = time.perf_counter()
            run()
            if number:
                times[name].append(time.perf_counter() - began)
    return times


def ratio(times: Times, slow: str, fast: str) -> float:
    """Return the median, over the rounds, of one contestant's time over another's."""
    return statistics.median(a / b for a, b in zip(times[slow], times[fast], strict=True))


def medians(times: Times) -> dict[str, float]:
    """Return the median seconds of each contestant."""
    return {name: statistics.median(rounds) for name, rounds in times.items()}


def assert_same_tokens(
    name: str, expected: Sequence[Sequence[Sequence[int]]], got: Sequence[Sequence[Sequence[int]]]
) -> None:
    """Compare what two contestants wrote, stream by stream and turn by turn.

    Raises:
        BenchError: naming the first difference.
    """
    for stream, (turns, others) in enumerate(zip(expected, got, strict=True)):
        for turn, (tokens, other) in enumerate(zip(turns, others, strict=True)):
            if list(tokens) != list(other):
                raise BenchError(
                    f"{name} wrote {list(other)} in turn {turn} of stream {stream}, "
                    f"where the engine wrote {list(tokens)}: their times cannot be compared"
                )


def assert_close(name: str, expected: Tensor, got: Tensor, tolerance: float) -> float:
    """Compare what two contestants computed; return the relative error, in the Euclidean norm.

    Raises:
        BenchError: the error is above the tolerance.
    """
    error = float((got - expected).norm() / expected.norm())
    if not error <= tolerance:
        raise BenchError(f"{name} is off by {error:.1e} of its size, more than {tolerance:.0e}: do not compare times")
    return error


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Run torch with so many threads for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def machine() -> dict[str, str]:
    """Describe what a benchmark ran on: versions, processor, date."""
    packages = {name: version(name) for name in ("seqpo", "torch", "transformers")}
    return {
        **packages,
        "python": platform.python_version(),
        "cpu": _processor(),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def _processor() -> str:
    listing = Path("/proc/cpuinfo")
    if listing.exists():
        for line in listing.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
