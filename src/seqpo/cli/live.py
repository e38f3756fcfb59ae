"""`seqpo translate`: words in as they arrive, translation out as it is decided."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import TextIO

from seqpo.cli import build
from seqpo.cli.evaluating import of_run
from seqpo.cli.kinds import KINDS
from seqpo.tasks.translation.units import Unit, join, split


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


def translate(run: Path, *, stage: str = "", trace: bool = False) -> None:
    """Translate standard input, one sentence per line, with the policy of a run.

    Args:
        run: folder of the run.
        stage: whose weights; the last trained one when empty.
        trace: show READ and WRITE with the number of source units read.
    """
    recipe = of_run(run)
    build.tune(recipe.runtime)
    booth = KINDS[recipe.policy].booth(recipe, stage)
    interpreter, held, read = None, list[str](), 0
    for unit in arriving(sys.stdin, booth.unit):
        if unit is None and interpreter is None:
            print(flush=True)  # an empty line stays one
            continue
        if interpreter is None:
            interpreter, read = booth.begin(), 0
        if unit is not None:
            held.append(unit)
            if len(held) < booth.chunk:
                continue
        if held:
            read += len(held)
            _speak(join(held, booth.unit), interpreter.read(held), read, trace)
            held = []
        if unit is None:
            _speak("(end)", interpreter.finish(), read, trace)
            interpreter = None
            print(flush=True)


def _speak(source: str, written: str, read: int, trace: bool) -> None:
    if not trace:
        print(written, end="", flush=True)
        return
    print(f"READ  {source}", flush=True)
    if written.strip():
        print(f"WRITE {written.strip()}  @{read}", flush=True)
