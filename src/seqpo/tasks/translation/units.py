"""What latency counts: whitespace-separated words, or characters for languages written without spaces."""

import re
from collections.abc import Sequence
from typing import Literal

Unit = Literal["word", "char"]

# Latin letters with their accents, and digits; the two signs in this range, × and ÷, are no letters.
_LETTER = r"[0-9A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u0300-\u036f]"
_RUN = re.compile(rf"{_LETTER}+(?:[.,'’%-]{_LETTER}+)*%?")
_CHAR_UNIT = re.compile(rf"{_RUN.pattern}|\S")


_UNSPACED = ("zh", "ja", "th")


def unit_of(language: str) -> Unit:
    """Return what a language is counted in: characters where words are not set apart."""
    return "char" if language.split("-", maxsplit=1)[0].lower() in _UNSPACED else "word"


def split(text: str, unit: Unit) -> list[str]:
    """Cut text into units, in order.

    "word" cuts at whitespace. "char" makes every character a unit, whitespace dropped, except that a run of
    Latin letters and digits with its inner punctuation is one (`3.5`, `T-shirt`, `50%`).

    Raises:
        ValueError: for an unknown unit.
    """
    if unit == "word":
        return text.split()
    if unit == "char":
        return _CHAR_UNIT.findall(text)
    raise ValueError(f"unknown unit {unit!r}: choose 'word' or 'char'")


def join(units: Sequence[str], unit: Unit) -> str:
    """Write units as text: "word" with spaces, "char" with a space only between two Latin runs.

    `join(split(text, unit), unit)` is a normal form of the text: doing it again changes nothing.

    Raises:
        ValueError: for an unknown unit.
    """
    if unit == "word":
        return " ".join(units)
    if unit != "char":
        raise ValueError(f"unknown unit {unit!r}: choose 'word' or 'char'")
    pieces: list[str] = []
    after_run = False
    for item in units:
        is_run = _RUN.match(item) is not None
        if after_run and is_run:
            pieces.append(" ")
        pieces.append(item)
        after_run = is_run
    return "".join(pieces)
