"""Reads the word tables: TSV files in UTF-8, whose first line names the columns; ``-`` is a cell with nothing in it.

The order of the entries matters: the sentences of a seed are drawn by it.
"""

from collections.abc import Collection
from pathlib import Path
from typing import Literal

Aspect = Literal["action", "event", "state"]
"""How a verb may be used: an event can't be wanted, a state has no time."""

ASPECTS: dict[str, Aspect] = {"event": "event", "state": "state"}
"""The aspect that follows from the ``use`` of a verb; all others are actions."""

YES_NO = ("yes", "no")


def read(path: Path, columns: str, **choices: Collection[str]) -> list[list[str]]:
    """The cells of a table's lines; one with nothing in it is the empty text.

    ``columns`` are the names that the header must have. Every word in a column of ``choices`` has to be one of
    them (``-`` too, if the cell may be empty).

    Raises:
        ValueError: if the file is no such table; the message names the file, the line and a remedy.
    """
    names = columns.split()
    (where, header), *lines = _lines(path)
    if header != names:
        raise ValueError(f"{where}: the columns are {header}, they should be {names}; separate them by one tab")
    for where, cells in lines:
        if len(cells) != len(names):
            raise ValueError(
                f"{where}: {len(cells)} cells, but the header names {len(names)} columns; "
                "separate cells by one tab, and write - where there is nothing"
            )
        for name, cell in zip(names, cells, strict=True):
            if not cell or cell != cell.strip():
                raise ValueError(f"{where}: {name} is {cell!r}; write - for nothing, and no space around a cell")
        for name, known in choices.items():
            unknown = [word for word in cells[names.index(name)].split() if word not in known]
            if unknown:
                raise ValueError(f"{where}: {name} can't be {', '.join(unknown)}; choose from {', '.join(known)}")
    return [["" if cell == "-" else cell for cell in cells] for _, cells in lines]


def _lines(path: Path) -> list[tuple[str, list[str]]]:
    """Where each line stands, and its cells."""
    raw = path.read_bytes()
    try:
        text = raw.decode().replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        number = raw.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{path}:{number}: not UTF-8; save the file in that encoding") from error
    # not splitlines, to which other characters are ends of lines too
    lines = text.removesuffix("\n").split("\n")
    return [(f"{path}:{number}", line.split("\t")) for number, line in enumerate(lines, start=1)]


def read_groups(path: Path, columns: str, **choices: Collection[str]) -> dict[str, list[list[str]]]:
    """The lines of a table, each under every word of its first cell and without that cell."""
    groups: dict[str, list[list[str]]] = {}
    for names, *cells in read(path, columns, **choices):
        for name in names.split():
            groups.setdefault(name, []).append(cells)
    return groups


def read_pairs(path: Path, columns: str, **choices: Collection[str]) -> dict[str, tuple[tuple[str, str], ...]]:
    """The same of a table with two more columns: what one language says and what the other says."""
    groups = read_groups(path, columns, **choices)
    return {name: tuple((source, target) for source, target in lines) for name, lines in groups.items()}
