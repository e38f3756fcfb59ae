"""Source units out of a text that arrives character by character."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile
from typing import TextIO

from seqpo.tasks.translation.units import Unit, split


def arriving(stream: TextIO, unit: Unit) -> Iterator[str | None]:
    """Yield source units as soon as they are complete, and None at the end of each line.

    A unit is complete when nothing that may follow can become a part of it: a word when the space after it has
    arrived, a Chinese character at once, a number among them when something else has.
    """
    text, begun = "", False
    while char := stream.read(1):
        text += char
        # a digit would prolong a word or a run of letters, an ideograph would not: what neither changes is settled
        either = zip(split(text + "0", unit), split(text + "\u5b57", unit), strict=False)
        settled = [one for one, _ in takewhile(lambda pair: pair[0] == pair[1], either)]
        yield from settled
        begun = begun or bool(settled)
        if settled or char.isspace():
            text = ""
        if char == "\n":
            yield None
            begun = False
    last = split(text, unit)
    yield from last
    if begun or last:
        yield None
