"""`seqpo translate`: words in as they arrive, translation out as it is decided."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import TextIO

from seqpo.cli import build
from seqpo.cli.evaluating import of_run
from seqpo.cli.probing import make_engine
from seqpo.policies.fresh import load_model
from seqpo.sessions import Engine, Session
from seqpo.tasks.translation.framing import Framing
from seqpo.tasks.translation.scripts import Layout, show
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


class Interpreter:
    """Translates one sentence, chunk by chunk.

    Args:
        engine: runs the session.
        framing: of the model.
        layout: of the model.
        limit: most tokens of a turn.
    """

    def __init__(self, engine: Engine, framing: Framing, layout: Layout, limit: int) -> None:
        self.framing = framing
        self.layout = layout
        self.limit = limit
        self._session: Session = engine.open()
        self._source: list[str] = []
        self._answers: list[tuple[int, ...]] = []

    def read(self, chunk: list[str]) -> str:
        """Read a chunk and return what the policy writes after it, "" for a wait."""
        return self._turn(chunk, over=False)

    def finish(self) -> str:
        """Tell that the sentence is over, return the rest of its translation, and close the session."""
        rest = self._turn([], over=True)
        self._session.close()
        return rest

    def _turn(self, chunk: list[str], *, over: bool) -> str:
        self._source += chunk
        shown = show(self.framing, self.layout, self._source, len(chunk), self._answers, over=over)
        if shown.afresh:
            self._session.rewind()
        self._session.read(shown.tokens)
        self._session.write(self.limit)
        while self._session.writing:
            self._session.engine.step()
        self._answers.append(self._session.answer().tokens)
        pieces = self.framing.pieces([[t for t in answer if t != self.framing.stop] for answer in self._answers])
        # words bring the space before them, which the first one doesn't need
        return pieces[-1] if any(pieces[:-1]) else pieces[-1].lstrip()


def translate(run: Path, *, stage: str = "", trace: bool = False) -> None:
    """Translate standard input, one sentence per line, with the policy of a run.

    Args:
        run: folder of the run.
        stage: whose weights; the last trained one when empty.
        trace: show READ and WRITE with the number of source units read.
    """
    recipe = of_run(run)
    trained = [name for name in recipe.evaluation.stages if (run / name).exists()]
    folder = build.stage_checkpoint(recipe, stage or (trained[-1] if trained else "sft"))
    framing = build.framing(recipe, build.load_tokenizer(folder))
    engine = make_engine(load_model(folder), framing, slots=1)
    interpreter, held, read = None, list[str](), 0
    for unit in arriving(sys.stdin, framing.source_unit):
        if unit is None and interpreter is None:
            print(flush=True)  # an empty line stays one
            continue
        if interpreter is None:
            interpreter, read = Interpreter(engine, framing, recipe.episode.layout, recipe.episode.limit), 0
        if unit is not None:
            held.append(unit)
            if len(held) < recipe.episode.chunk:
                continue
        if held:
            read += len(held)
            _speak(join(held, framing.source_unit), interpreter.read(held), read, trace)
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
