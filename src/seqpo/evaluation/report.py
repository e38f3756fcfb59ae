"""What an evaluation found: `report.json` for programs, `report.md` for people, a table for the terminal."""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from seqpo.evaluation.families import bleu_at, curves, follows_rules
from seqpo.evaluation.scores import Comparison, Setting, System
from seqpo.records import RecordError, decode

if TYPE_CHECKING:
    from rich.table import Table

# Key, title and decimals of every score that has a column.
_COLUMNS = (
    ("bleu", "BLEU ↑", 1),
    ("chrf", "chrF ↑", 1),
    ("al", "AL ↓", 2),
    ("al_std", "AL std", 2),
    ("laal", "LAAL ↓", 2),
    ("ap", "AP ↓", 2),
    ("dal", "DAL ↓", 2),
    ("cw_mean", "CW mean ↓", 2),
    ("cw_max", "CW max ↓", 2),
    ("waits", "waits", 1),
    ("verb_wait", "wait before verbs", 2),
    ("other_wait", "before others", 2),
    ("empty", "empty", 0),
)
_CONSOLE = ("bleu", "chrf", "al", "laal", "ap", "cw_mean", "verb_wait", "other_wait")
_SHORT = {"cw_mean": "CW", "verb_wait": "verbs", "other_wait": "others"}
_CAPTION = (
    "± half the 95 % bootstrap interval; AL, LAAL, CW in source units;\n"
    "verbs, others: source units read right before a clause-final verb, and before any other word"
)
_DECIMALS = {key: decimals for key, _, decimals in _COLUMNS}
_TITLES = {key: title.rstrip(" ↑↓") for key, title, _ in _COLUMNS}


class ReportError(ValueError):
    """A report that cannot be read; the message names the file and the key."""


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True)
class Report:
    """Systems scored on one test set.

    `data` describes the test set (file, hash, language …), `command` makes the report again, `created` is a
    UTC time in ISO 8601, and `examples` are traces to look at, as text.
    """

    systems: tuple[System, ...]
    comparisons: tuple[Comparison, ...] = ()
    data: dict[str, Setting] = field(default_factory=dict)
    command: str = ""
    created: str = field(default_factory=_now)
    examples: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        """Give the report as dicts, sequences and scalars, for `json.dumps`."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: object, *, where: str = "report") -> "Report":
        """Read what `to_json` gave; `where` is what errors call the report.

        Raises:
            ReportError: naming the key that is missing, unknown or of the wrong kind.
        """
        try:
            return decode(cls, data, name="the report")
        except RecordError as error:
            raise ReportError(f"{where}: {error}; run the evaluation again to write a new report") from None

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
    def load(cls, path: str | Path) -> "Report":
        """Read a `report.json`, or the one in a folder.

        Raises:
            ReportError: if there is no file, or it holds no report.
        """
        path = Path(path)
        path = path / "report.json" if path.is_dir() else path
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ReportError(f"{path}: no such file; run the evaluation first") from None
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise ReportError(f"{path}: not JSON ({error}); run the evaluation again") from None
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


def markdown(report: Report) -> str:
    """Give the report as Markdown: one table, the comparisons, the examples, and the signatures."""
    sections = [
        ["# Evaluation", "", f"Created {report.created}."],
        ["```", report.command, "```"] if report.command else [],
        [f"- {key}: {value}" for key, value in report.data.items()],
        _score_table(report.systems),
        ["Scores are given ± half their 95 % bootstrap interval. AL, LAAL, DAL, CW in source units."],
        *(_margin_table(report.systems, by) for by in ("al", "ap")),
        _comparison_table(report.comparisons),
        ["## Examples"] if report.examples else [],
        *(["```", example, "```"] for example in report.examples),
        ["## Signatures"],
        [f"- {system.name}: `{system.signature}`" for system in report.systems],
    ]
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def console_table(report: Report) -> "Table":
    """Give the main scores as a table for rich; BLEU and AL carry their intervals.

    The last columns, where there is something in them, are the mean waits before clause-final verbs and other words.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, caption=_CAPTION, pad_edge=False)
    table.add_column("system", no_wrap=True)
    shown = [key for key in _CONSOLE if any(getattr(system, key) is not None for system in report.systems)]
    for key in shown:
        table.add_column(_SHORT.get(key, _TITLES[key]), justify="right", no_wrap=True)
    for system in report.systems:
        cells = (_cell(system, key, spread=key in ("bleu", "al")) for key in shown)
        table.add_row(system.name, *cells)
    return table


def _score_table(systems: Sequence[System]) -> list[str]:
    columns = [column for column in _COLUMNS if any(getattr(system, column[0]) is not None for system in systems)]
    return _table(
        ["system", *(title for _, title, _ in columns), "n"],
        [[system.name, *(_cell(system, key) for key, _, _ in columns), str(system.n)] for system in systems],
    )


def _margin_table(systems: Sequence[System], by: str) -> list[str]:
    """How far policies lie above the curves of baselines, at the same delay."""
    rules, own = curves(systems), [system for system in systems if not follows_rules(system.name)]
    if not rules or not own:
        return []
    rows = []
    for system in own:
        expected = [bleu_at(curve, getattr(system, by), by=by) for curve in rules.values()]
        rows.append([system.name, *("–" if value is None else f"{system.bleu - value:+.1f}" for value in expected)])
    note = (
        f"BLEU above (+) or below (−) baselines, interpolated at the same {_TITLES[by]}; – where they don't reach it."
    )
    return [*_table([f"at equal {_TITLES[by]}", *rules], rows), "", note]


def _comparison_table(comparisons: Sequence[Comparison]) -> list[str]:
    if not comparisons:
        return []
    rows = [
        [
            " − ".join(test.names),
            _TITLES[test.metric],
            *(f"{value:.{_DECIMALS[test.metric]}f}" for value in (test.a, test.b)),
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


def _cell(system: System, key: str, *, spread: bool = True) -> str:
    value = getattr(system, key)
    if value is None:
        return "–"
    text = f"{value:.{_DECIMALS[key]}f}"
    if not spread or key not in system.interval:
        return text
    low, high = system.interval[key]
    return f"{text} ± {(high - low) / 2:.{_DECIMALS[key]}f}"


def _stars(p_value: float) -> str:
    return "*" * sum(p_value < level for level in (0.05, 0.01, 0.001))
