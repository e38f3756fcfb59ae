"""Deciders without learning: the baselines of Gu et al. (2016, 1610.00388, §6.1), and wait-k."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from torch import Tensor

from seqpo.tasks.read_write.decoding import Decoding, Step, Steps, View, decode
from seqpo.tasks.read_write.source import Source
from seqpo.tasks.read_write.translator.network import Proposal


@dataclass(frozen=True)
class WaitUntilEnd:
    """WUE: read everything, then translate."""

    def __call__(self, view: View) -> Tensor:
        """Write where everything has been read."""
        return view.exhausted


@dataclass(frozen=True)
class WaitOneStep:
    """WOS: READ and WRITE in turn, a word against a token."""

    def __call__(self, view: View) -> Tensor:
        """Write what has been read and not been answered."""
        return view.written.tokens < view.words_read


@dataclass(frozen=True)
class WaitK:
    """Read k words, then write a unit and read a word in turn (Ma et al. 2019, 1810.08398).

    A unit that has begun is finished.

    Attributes:
        k: the lag in words, at least one.
    """

    k: int

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ValueError(f"wait-k waits for one word or more, got k = {self.k}")

    def __call__(self, view: View) -> Tensor:
        """Write within a unit, and where a next one would keep the lag."""
        return _keeps_lag(view, self.k)


@dataclass(frozen=True)
class WaitLags:
    """Wait-k with a k for each stream: a teacher of agents.

    Attributes:
        lags: the k of each stream; above the words of its source, it waits until the end.
    """

    lags: Sequence[int]

    def __call__(self, view: View) -> Tensor:
        """Write within a unit, and where a next one would keep the stream's lag."""
        return _keeps_lag(view, view.words_read.new_tensor([self.lags[stream] for stream in view.streams]))


def _keeps_lag(view: View, lag: int | Tensor) -> Tensor:
    return ~view.begins_unit | (view.written.units <= view.words_read - lag)


@dataclass(frozen=True)
class _WaitIf(ABC):
    """Compare what is proposed with what would be, had a little more been read; if in doubt, read that.

    A context C grows only by what was looked at, so what it grows to is known from its length. Words that were
    looked at and not taken into C don't count as read; a translation from C did not use them.

    Attributes:
        first: words that are read before the first decision.
        peek: words to look ahead, δ.
    """

    first: int = 1
    peek: int = 1

    def __post_init__(self) -> None:
        if min(self.first, self.peek) < 1:
            raise ValueError(f"first and peek are one word or more, got {self.first} and {self.peek}")

    def __call__(self, view: View) -> Tensor:
        """Write unless in doubt; read until C ends where a look ahead ended."""
        beyond = view.words_read - self.first
        return (beyond >= 0) & (beyond % self.peek == 0) & ~self._doubtful(view, view.peek(self.peek))

    @abstractmethod
    def _doubtful(self, view: View, ahead: Proposal) -> Tensor:
        """Say where `[B]` what would be proposed makes the candidate doubtful."""


@dataclass(frozen=True)
class WaitIfWorse(_WaitIf):
    """WIW: read on if that would make the candidate less likely (Cho and Esipova 2016, 1606.02012)."""

    def _doubtful(self, view: View, ahead: Proposal) -> Tensor:
        now, then = (
            logits.log_softmax(dim=-1).gather(1, view.candidate[:, None]).squeeze(1)
            for logits in (view.proposal.logits, ahead.logits)
        )
        return then < now


@dataclass(frozen=True)
class WaitIfDiff(_WaitIf):
    """WID: read on if that would change the candidate (Cho and Esipova 2016, 1606.02012)."""

    def _doubtful(self, view: View, ahead: Proposal) -> Tensor:
        return ahead.candidate != view.candidate


def translate_segments(decoding: Decoding, segmented: Sequence[Sequence[Source]]) -> list[Steps]:
    """Translate the segments of each sentence as sentences of their own, one after the other (Oda et al. 2014, §2).

    Args:
        decoding: translator and limits; the limit is of each segment.
        segmented: the segments of each sentence, at least one, each with an end mark.

    Returns:
        For each sentence the steps of a stream over all its words: a segment's translation is written when its last
        word has been read, and where its translator stops, the next segment is read.
    """
    translated = iter(decode(decoding, list(chain.from_iterable(segmented)), WaitUntilEnd()))
    stop = decoding.translator.stop
    return [_joined([next(translated) for _ in segments], stop) for segments in segmented]


def _joined(segments: list[Steps], stop: int) -> Steps:
    """Put the steps of segments after each other: only the last one reads the end mark and writes the stop token."""
    joined: list[Step] = []
    for steps in segments[:-1]:
        words = [step for step in steps if not step.wrote][:-1]
        written = [step for step in steps if step.wrote and step.token != stop]
        joined += [*words, *written, Step(wrote=False, token=stop)]
    return (*joined, *segments[-1])
