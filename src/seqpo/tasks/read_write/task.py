"""Simultaneous translation by single decisions, READ or WRITE (Gu et al. 2016, 1610.00388).

Whoever decides hears the source unit by unit and accepts or rejects proposed tokens; this side of it knows sentences,
records and rewards, and no translator.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from seqpo.tasks.read_write.source import Source
from seqpo.tasks.read_write.translator.pairs import source_words
from seqpo.tasks.translation.corpora import Pair
from seqpo.tasks.translation.latency import consecutive_waits
from seqpo.tasks.translation.parallel import ParallelTask
from seqpo.tasks.translation.renderer import Renderer
from seqpo.tasks.translation.traces import Trace
from seqpo.tasks.translation.units import split
from seqpo.types import Episode

_WRITE = 1

Answers = Sequence[tuple[int, Sequence[int]]]
"""Source units read, and the tokens written after them, the stop token perhaps among them; in order."""


@dataclass(frozen=True)
class ReadWriteTask(ParallelTask["ReadWriteStart"]):
    """Parallel sentences, read unit by unit; a turn of an episode is one decision."""

    def start(self, pair: Pair, number: int) -> ReadWriteStart:
        """Make the start of a sentence."""
        units = tuple(split(pair.source, self.renderer.source_unit))
        return ReadWriteStart(units, encode_source(self.renderer, units), pair, number, self.renderer)

    def measures(self, trace: Trace) -> dict[str, float]:
        """Name the mean run of READs."""
        return {"wait": consecutive_waits(trace.read_runs)[0]}


@dataclass(frozen=True)
class ReadWriteStart:
    """A sentence that episodes start from.

    Attributes:
        units: of the source.
        source: their tokens, as they are read.
        pair: what episodes are scored by.
        number: its place in the corpus.
        renderer: of the tokens.
    """

    units: tuple[str, ...]
    source: Source
    pair: Pair
    number: int
    renderer: Renderer

    def trace(self, episode: Episode) -> Trace:
        """Record an episode, a turn for a decision.

        A READ reads a unit, or nothing where it was of the end mark. The unit that is read before the first decision
        belongs to that decision's turn. A written character belongs to the turn of its last token.
        """
        wrote = [turn.action == (_WRITE,) for turn in episode.turns]
        words_read = [min(reads + 1, len(self.units)) for reads in accumulate(not write for write in wrote)]
        written = [[turn.observation.token] if write else [] for turn, write in zip(episode.turns, wrote, strict=True)]
        counts = (after - before for before, after in pairwise((0, *words_read)))
        return _record(self.renderer, self.units, tuple(zip(counts, written, strict=True)))


def encode_source(renderer: Renderer, units: Sequence[str]) -> Source:
    """Encode source units as what is read one by one, and the mark of their end."""
    return Source(source_words(renderer, units), renderer.source_end)


def record(renderer: Renderer, units: Sequence[str], answers: Answers) -> Trace:
    """Record a whole translation, a turn for a READ.

    Args:
        renderer: of the tokens.
        units: of the source.
        answers: what was read and written. What was written after a READ of nothing, the end mark, belongs to the
            turn before.
    """
    return _record(renderer, units, answers).merged()


def _record(renderer: Renderer, units: Sequence[str], answers: Answers) -> Trace:
    pieces = renderer.pieces([[token for token in written if token != renderer.stop] for _, written in answers])
    counts = (count for count, _ in answers)
    return Trace(tuple(units), tuple(zip(counts, pieces, strict=True)), renderer.target_unit)
