"""What a model is shown of a sentence, turn by turn, and who decides how much it writes.

A script cuts the source into chunks and frames them. In the *interleaved* layout each turn appends its chunk to
the context; in the *cumulative* one (the paper's) each turn starts afresh with all of the source so far and all
that was written so far. The policy decides by its stop token; `WaitK` decides for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Literal, get_args

from seqpo.episodes import Episode, Observation, Turn
from seqpo.tasks.translation.framing import Framing
from seqpo.tasks.translation.traces import Trace

Layout = Literal["interleaved", "cumulative"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)


@dataclass(frozen=True)
class SourceScript:
    """A source sentence, read chunk by chunk.

    Attributes:
        framing: tokens around chunks and answers.
        source: the source units.
        chunk: units per chunk.
        layout: what a turn shows of the turns before it.
    """

    framing: Framing
    source: tuple[str, ...]
    chunk: int
    layout: Layout = "interleaved"

    @property
    def reads(self) -> list[int]:
        """Source units read in each turn."""
        whole, rest = divmod(len(self.source), self.chunk)
        return [self.chunk] * whole + [rest] * bool(rest)

    def observe(self, answers: Sequence[tuple[int, ...]]) -> Observation | None:
        """Show the next chunk; None when the whole source has been answered."""
        return self.show(answers, quota=None)

    def show(self, answers: Sequence[tuple[int, ...]], quota: int | None) -> Observation | None:
        """Show the next chunk, with the quota of a fixed schedule."""
        turn, framing = len(answers), self.framing
        begin = turn * self.chunk
        if begin >= len(self.source):
            return None
        end = min(begin + self.chunk, len(self.source))
        closing = (framing.source_end if end == len(self.source) else ()) + framing.closing
        if self.layout == "cumulative":
            written = tuple(token for answer in answers for token in answer if token != framing.stop)
            return Observation(
                framing.opening + framing.source(self.source[:end]) + closing + written, True, quota
            )
        chunk = framing.source(self.source[begin:end])
        if turn == 0:
            return Observation(framing.opening + chunk + closing, quota=quota)
        stop = () if answers[-1] and answers[-1][-1] == framing.stop else (framing.stop,)
        return Observation(stop + framing.between + chunk + closing, quota=quota)

    def trace(self, answers: Sequence[tuple[int, ...]]) -> Trace:
        """Record who read and wrote what."""
        pieces = self.framing.pieces([[t for t in answer if t != self.framing.stop] for answer in answers])
        return Trace(self.source, tuple(zip(self.reads, pieces, strict=True)), self.framing.target_unit)

    def demonstrate(self, target: Sequence[str], allowed: Sequence[int]) -> Episode:
        """Make the episode in which `allowed[s − 1]` target units have been written after s source units.

        Raises:
            ValueError: a schedule that does not grow, or does not end with the whole target.
        """
        read = list(accumulate(self.reads))
        written = [0, *(allowed[count - 1] for count in read)]
        if written[-1] != len(target) or written != sorted(written):
            raise ValueError(f"a schedule must grow to the {len(target)} units of its target, got {written[1:]}")
        answers: list[tuple[int, ...]] = []
        turns: list[Turn] = []
        for begin, end in pairwise(written):
            shown = self.observe(answers)
            answers.append((*self.framing.target(target[begin:end]), self.framing.stop))
            turns.append(Turn(shown, answers[-1], (0.0,) * len(answers[-1])))
        return Episode(0, tuple(turns))


@dataclass(frozen=True)
class WaitK:
    """Wait-k (Ma et al. 2019) with any model as the translator: write unit i after k + i − 1 source units.

    Once the source is over, the model writes the rest as it likes. `k = None` waits until the end.
    """

    script: SourceScript
    k: int | None

    def observe(self, answers: Sequence[tuple[int, ...]]) -> Observation | None:
        """Show the next chunk, and how many units must be written after it."""
        size, length = self.script.chunk, len(self.script.source)
        before, after = len(answers) * size, (len(answers) + 1) * size
        if after >= length:
            return self.script.show(answers, quota=None)
        if self.k is None:
            return self.script.show(answers, quota=0)
        return self.script.show(answers, quota=max(0, after - self.k + 1) - max(0, before - self.k + 1))
