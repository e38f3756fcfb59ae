"""What a model is shown of a sentence, turn by turn, and who decides how much it writes.

A source is read chunk by chunk; its end is a turn of its own, in which nothing is read, because a live source tells
that it is over only after its last word. In the *interleaved* layout each turn appends its chunk to the context; in
the *cumulative* one (the paper's) each turn starts afresh with all of the source so far and all that was written
so far. The policy decides by its stop token, or a quota such as `WaitK` decides for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, get_args

from seqpo.tasks.translation.renderer import Renderer
from seqpo.tasks.translation.traces import Trace
from seqpo.types import Episode, Observation, Turn

Layout = Literal["interleaved", "cumulative"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)


def show(
    renderer: Renderer,
    layout: Layout,
    source: Sequence[str],
    fresh: int,
    answers: Sequence[tuple[int, ...]],
    *,
    over: bool,
    quota: int | None = None,
) -> Observation:
    """Make the observation of a turn.

    Args:
        renderer: tokens around chunks and answers.
        layout: what a turn shows of the turns before it.
        source: all units read so far.
        fresh: how many of them are new in this turn.
        answers: of the earlier turns.
        over: whether the source is known to have ended.
        quota: units that a fixed schedule makes the model write.
    """
    closing = (renderer.source_end if over else ()) + renderer.closing
    if layout == "cumulative":
        written = tuple(token for answer in answers for token in answer if token != renderer.stop)
        return Observation(renderer.opening + renderer.source(source) + closing + written, True, quota)
    opening = renderer.opening
    if answers:
        ended = answers[-1] and answers[-1][-1] == renderer.stop
        opening = (() if ended else (renderer.stop,)) + renderer.between
    known = len(source) - fresh
    return Observation(opening + renderer.source(source[known:], source[:known]) + closing, quota=quota)


Quota = Callable[[int, int, int], int | None]
"""How many units a fixed schedule makes the model write in a turn: of (source units that had been read before it, that
have been read now, length of the source); None leaves it to the model."""


@dataclass(frozen=True)
class SourceDialogue:
    """A source sentence, read chunk by chunk.

    Attributes:
        renderer: tokens around chunks and answers.
        source: the source units.
        chunk: units per chunk.
        layout: what a turn shows of the turns before it.
        quota: a schedule that decides in place of the model; None lets the model decide.
    """

    renderer: Renderer
    source: tuple[str, ...]
    chunk: int
    layout: Layout = "interleaved"
    quota: Quota | None = None

    @property
    def reads(self) -> list[int]:
        """Source units read in each turn; none in the last one, which tells that the source is over."""
        whole, rest = divmod(len(self.source), self.chunk)
        return [self.chunk] * whole + [rest] * bool(rest) + [0]

    def observe(self, answers: Sequence[tuple[int, ...]]) -> Observation | None:
        """Show the next chunk, or that there is none left; None when that has been answered too."""
        reads = self.reads
        if len(answers) == len(reads):
            return None
        fresh = reads[len(answers)]
        before = min(len(answers) * self.chunk, len(self.source))
        quota = self.quota and self.quota(before, before + fresh, len(self.source))
        read = self.source[: before + fresh]
        return show(self.renderer, self.layout, read, fresh, answers, over=fresh == 0, quota=quota)

    def trace(self, answers: Sequence[tuple[int, ...]]) -> Trace:
        """Record who read and wrote what, a turn for a turn: the last one reads nothing."""
        pieces = self.renderer.pieces([[t for t in answer if t != self.renderer.stop] for answer in answers])
        return Trace(self.source, tuple(zip(self.reads, pieces, strict=True)), self.renderer.target_unit)

    def demonstrate(self, target: Sequence[str], allowed: Sequence[int]) -> Episode:
        """Make the episode in which `allowed[s − 1]` target units have been written after s source units.

        Args:
            target: the target units.
            allowed: one entry per source unit, and one for the end of the source.

        Raises:
            ValueError: a schedule that does not grow, or does not end with the whole target.
        """
        ends = [min(turn * self.chunk, len(self.source)) for turn in range(1, len(self.reads))]
        written = [0, *(allowed[end - 1] for end in ends), allowed[len(self.source)]]
        if written[-1] != len(target) or written != sorted(written):
            raise ValueError(f"a schedule must grow to the {len(target)} units of its target, got {written[1:]}")
        answers: list[tuple[int, ...]] = []
        turns: list[Turn] = []
        for begin, end in pairwise(written):
            shown = self.observe(answers)
            answers.append((*self.renderer.target(target[begin:end], target[:begin]), self.renderer.stop))
            turns.append(Turn(shown, answers[-1], (0.0,) * len(answers[-1])))
        return Episode(0, tuple(turns))


@dataclass(frozen=True)
class WaitK:
    """Wait-k (Ma et al. 2019) with any model as the translator: write unit i after k + i − 1 source units.

    Once the source is over, the model writes the rest as it likes.

    Attributes:
        k: the lag; None waits until the end.
    """

    k: int | None

    def __call__(self, before: int, after: int, length: int) -> int | None:
        """Return the quota of a turn."""
        if before == length:
            return None
        return 0 if self.k is None else max(0, after - self.k + 1) - max(0, before - self.k + 1)
