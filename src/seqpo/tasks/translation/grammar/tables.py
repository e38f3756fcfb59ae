"""Reads the word lists: text tables with one entry a line and two or more spaces between the columns."""

import re


def rows(table: str, columns: int) -> list[list[str]]:
    """The cells of a table's lines.

    Raises:
        ValueError: if a line has another number of cells than ``columns``.
    """
    entries = [re.split(r"\s{2,}", line.strip()) for line in table.strip().splitlines()]
    for entry in entries:
        if len(entry) != columns:
            raise ValueError(f"a word list wants {columns} columns, this line has {len(entry)}: {entry}")
    return entries
