"""What an evaluation found: `report.json` for programs, `report.md` for people, a table for the terminal."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from seqpo.evaluation.curves import first_axis, margins
from seqpo.evaluation.statistics import Column, Comparison, Result, Setting
from seqpo.records import RecordError, decode

if TYPE_CHECKING:
    from rich.table import Table

VERSION: Literal[2] = 2
"""Of the form of `report.json`."""

_ARROWS = {"higher": " ↑", "lower": " ↓", "": ""}
_GAP = 2  # spaces between two columns in the terminal


class ReportError(ValueError):
    """A report that cannot be read; the message names the file and the key."""


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True)
class Report:
    """Systems scored on one test set.

    Attributes:
        systems: in the order of the tables.
        columns: what the scores are, the most important first.
        comparisons: of two systems each.
        data: describes the test set (file, hash, …).
        command: makes the report again.
        created: a UTC time in ISO 8601.
        examples: outcomes to look at, as text.
        version: of this form.

    Raises:
        ValueError: a score that no column tells of.
    """

    systems: tuple[Result, ...]
    columns: tuple[Column, ...]
    comparisons: tuple[Comparison, ...] = ()
    data: dict[str, Setting] = field(default_factory=dict)
    command: str = ""
    created: str = field(default_factory=_now)
    examples: tuple[str, ...] = ()
    version: Literal[2] = VERSION

    def __post_init__(self) -> None:
        known = {column.name for column in self.columns}
        scored = {name for system in self.systems for name in system.scores} | {one.metric for one in self.comparisons}
        if unknown := sorted(scored - known):
            raise ValueError(f"no column tells what the score {unknown[0]!r} is")

    def to_json(self) -> dict[str, object]:
        """Give the report as dicts, sequences and scalars, for `json.dumps`; the version comes first."""
        return {"version": self.version} | asdict(self)

    @classmethod
    def from_json(cls, data: object, *, where: str = "report") -> Report:
        """Read what `to_json` gave; `where` is what errors call the report.

        Raises:
            ReportError: another version, or a key that is missing, unknown or of the wrong kind.
        """
        again = "run `seqpo evaluate` again to write a new report"
        if isinstance(data, Mapping) and data.get("version") != VERSION:
            raise ReportError(f"{where}: written by another version of seqpo; {again}")
        try:
            return decode(cls, data, name="the report")
        except RecordError as error:
            raise ReportError(f"{where}: {error}; {again}") from None

    def save(self, folder: str | Path) -> None:
        """Write `report.json` and `report.md` into a folder, each wholly or not at all."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        content = json.dumps(self.to_json(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        with replacing(folder / "report.json") as file:
            file.write_text(content, encoding="utf-8")
        with replacing(folder / "report.md") as file:
            file.write_text(markdown(self), encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> Report:
        """Read a `report.json`, or the one in a folder.

        Raises:
            ReportError: if there is no file, or it holds no report.
        """
        path = Path(path)
        path = path / "report.json" if path.is_dir() else path
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ReportError(f"{path}: no such file; run `seqpo evaluate` first") from None
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise ReportError(f"{path}: not JSON ({error}); run `seqpo evaluate` again") from None
        return cls.from_json(data, where=str(path))


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary file that takes the place of `path` at the end, or vanishes if the block fails."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield draft
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def columns_of(systems: Sequence[Result], columns: Sequence[Column]) -> list[Column]:
    """Return the columns in which some system has a score."""
    return [column for column in columns if any(column.name in system.scores for system in systems)]


def markdown(report: Report) -> str:
    """Give the report as Markdown: the scores, the margins, the comparisons, the examples, and the signatures."""
    columns = columns_of(report.systems, report.columns)
    costs = [column for column in columns if column.axis == "cost"]
    sections = [
        ["# Evaluation", "", f"Created {report.created}."],
        ["```", report.command, "```"] if report.command else [],
        [f"- {key}: {value}" for key, value in report.data.items()],
        _score_table(report.systems, columns),
        [f"Scores are given ± half their 95 % bootstrap interval. {_units(columns)}".rstrip()],
        *(_margin_table(report.systems, first_axis(columns, "quality"), cost) for cost in costs),
        _comparison_table(report.comparisons, report.columns),
        ["## Examples"] if report.examples else [],
        *(["```", example, "```"] for example in report.examples),
        ["## Signatures"],
        [f"- {system.name}: `{system.signature}`" for system in report.systems],
    ]
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def console_table(report: Report, width: int = 80) -> Table:
    """Give the scores as a table for rich: as many columns as fit, the most important ones.

    The first quality and the first cost carry their intervals.

    Args:
        report: what is shown.
        width: of the terminal, in characters.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    columns = columns_of(report.systems, report.columns)
    axes = (first_axis(columns, "quality"), first_axis(columns, "cost"))
    cells = [
        [_cell(system, column, sign="±" if column in axes else "") for system in report.systems] for column in columns
    ]
    names = max([len("system"), *(len(system.name) for system in report.systems)])
    shown = _fitting(columns, cells, width - names)
    caption = _caption(columns[:shown], any("±" in cell for some in cells[:shown] for cell in some))
    if left := len(columns) - shown:
        caption += f"\nThe whole table, with {left} more columns, is in report.md."
    table = Table(box=SIMPLE_HEAD, caption=Text(caption.strip()), show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("system", no_wrap=True, min_width=names)
    for column in columns[:shown]:
        table.add_column(Text(column.title.replace(" ", "\n")), justify="right", no_wrap=True)
    for place, system in enumerate(report.systems):
        table.add_row(Text(system.name), *(some[place] for some in cells[:shown]))
    return table


def _fitting(columns: Sequence[Column], cells: Sequence[Sequence[str]], room: int) -> int:
    """How many columns fit beside the names; one at least, if there is any. Titles break at their spaces."""
    for number, (column, some) in enumerate(zip(columns, cells, strict=True)):
        room -= _GAP + max(map(len, [*column.title.split(), *some]))
        if room < 0:
            return max(number, 1)
    return len(columns)


def _caption(columns: Sequence[Column], spread: bool) -> str:
    return " ".join(["± half the 95 % bootstrap interval."] * spread + [_units(columns)])


def _units(columns: Sequence[Column]) -> str:
    """Which scores are in which unit, as a sentence."""
    titles: dict[str, list[str]] = {}
    for column in columns:
        titles.setdefault(column.unit, []).append(column.title)
    told_of = [f"{', '.join(some)}: {unit}" for unit, some in titles.items() if unit]
    return "; ".join(told_of) + "." if told_of else ""


def _score_table(systems: Sequence[Result], columns: Sequence[Column]) -> list[str]:
    return _table(
        ["system", *(column.title + _ARROWS[column.better] for column in columns), "n"],
        [[system.name, *(_cell(system, column) for column in columns), str(system.n)] for system in systems],
    )


def _margin_table(systems: Sequence[Result], quality: Column | None, cost: Column) -> list[str]:
    if quality is None:
        return []
    names, own = margins(systems, quality=quality.name, cost=cost.name)
    if not names or not own:
        return []
    rows = [
        [name, *("–" if value is None else f"{value:+.{quality.decimals}f}" for value in values)]
        for name, values in own.items()
    ]
    note = (
        f"{quality.title} above (+) or below (−) baselines, interpolated at the same {cost.title}; "
        "– where they don't reach it."
    )
    return [*_table([f"at equal {cost.title}", *names], rows), "", note]


def _comparison_table(comparisons: Sequence[Comparison], columns: Sequence[Column]) -> list[str]:
    if not comparisons:
        return []
    by_name = {column.name: column for column in columns}
    rows = [
        [
            " − ".join(test.names),
            by_name[test.metric].title,
            *(f"{value:.{by_name[test.metric].decimals}f}" for value in (test.a, test.b)),
            f"{test.difference:+.2f} [{test.interval[0]:+.2f}, {test.interval[1]:+.2f}]",
            f"{test.p_value:.3f} {_stars(test.p_value)}".strip(),
        ]
        for test in comparisons
    ]
    note = "Paired bootstrap: * p < 0.05, ** p < 0.01, *** p < 0.001."
    return [*_table(["systems", "score", "first", "second", "difference", "p"], rows), "", note]


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    rule = ["---", *("---:" for _ in header[1:])]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in (header, rule, *rows)]


def _cell(system: Result, column: Column, *, sign: str = " ± ") -> str:
    """Write a score, and half its interval after the sign; "" leaves that out."""
    score = system.scores.get(column.name)
    if score is None:
        return "–"
    text = f"{score.value:.{column.decimals}f}"
    return f"{text}{sign}{score.spread:.{column.decimals}f}" if sign and score.spread is not None else text


def _stars(p_value: float) -> str:
    return "*" * sum(p_value < level for level in (0.05, 0.01, 0.001))
