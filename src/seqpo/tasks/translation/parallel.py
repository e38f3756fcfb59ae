"""What tasks on parallel sentences share: the order of the sentences, and the score of what was made of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor

from seqpo.tasks.translation.corpora import Pair
from seqpo.tasks.translation.epochs import sentences_of
from seqpo.tasks.translation.latency import LATENCY
from seqpo.tasks.translation.quality import QualityMetric
from seqpo.tasks.translation.renderer import Renderer
from seqpo.tasks.translation.rewards import Fusion, RewardInputs, SeqPOReward
from seqpo.tasks.translation.traces import Trace
from seqpo.tasks.translation.units import split
from seqpo.types import Batch, Episode, Rewards


class SentenceStart(Protocol):
    """A sentence that episodes start from."""

    @property
    def pair(self) -> Pair:
        """What episodes are scored by."""
        ...

    @property
    def number(self) -> int:
        """Its place in the corpus."""
        ...

    def trace(self, episode: Episode) -> Trace:
        """Record an episode, a turn for a turn."""
        ...


S = TypeVar("S", bound=SentenceStart)


@dataclass(frozen=True)
class ParallelTask(ABC, Generic[S]):
    """Parallel sentences that are translated in episodes.

    Attributes:
        pairs: the sentences.
        renderer: how they become tokens.
        quality: scores hypotheses; needed for rewards only.
        latency: key of `LATENCY`.
        reward: fuses the two.
        seed: of the order of sentences.

    Raises:
        ValueError: no sentences, or an unknown latency.
    """

    pairs: Sequence[Pair]
    renderer: Renderer
    quality: QualityMetric | None = field(default=None, kw_only=True)
    latency: str = field(default="al", kw_only=True)
    reward: Fusion = field(default_factory=SeqPOReward, kw_only=True)
    seed: int = field(default=0, kw_only=True)

    def __post_init__(self) -> None:
        if not self.pairs:
            raise ValueError("a translation task needs sentences")
        if self.latency not in LATENCY:
            raise ValueError(f"unknown latency {self.latency!r}: choose one of {', '.join(LATENCY)}")

    @abstractmethod
    def start(self, pair: Pair, number: int) -> S:
        """Make the start of a sentence, which is the corpus's with this number."""

    @abstractmethod
    def measures(self, trace: Trace) -> dict[str, float]:
        """Name what else, beside quality and latency, the log tells of an episode."""

    def starts(self, count: int, *, step: int) -> list[S]:
        """Return the sentences of a training step: each epoch is a permutation, cut into steps."""
        numbers = sentences_of(step, count, len(self.pairs), self.seed)
        return [self.start(self.pairs[number], number) for number in numbers]

    def score(self, starts: Sequence[S], batch: Batch) -> Rewards:
        """Score quality and latency of whole episodes, and fuse them into rewards of turns.

        Args:
            starts: the starts of the batch's groups, in order of the groups.
            batch: the packed episodes.
        """
        assert self.quality is not None, "rewards need a quality metric"
        pairs = [starts[index].pair for index in batch.segments.group.tolist()]
        traces = traces_of(starts, batch)
        references = [pair.target for pair in pairs]
        scores = self.quality([pair.source for pair in pairs], [trace.text for trace in traces], references)
        delays = [self._delay(trace, pair) for trace, pair in zip(traces, pairs, strict=True)]
        quality = batch.behaviour.new_tensor(scores)
        latency = batch.behaviour.new_tensor(delays)
        measured = [self.measures(trace) for trace in traces]
        others = {name: batch.behaviour.new_tensor([one[name] for one in measured]) for name in measured[0]}
        values = self.reward(RewardInputs(quality, latency, traces, references, batch.segments))
        return Rewards(values, {"quality": quality, "latency": latency, **others})

    def start_ids(self, starts: Sequence[S]) -> Tensor:
        """`[groups]` place of each start's sentence among all, the same whenever the sentence comes again."""
        return torch.tensor([start.number for start in starts])

    @property
    def num_starts(self) -> int:
        """How many sentences there are."""
        return len(self.pairs)

    def _delay(self, trace: Trace, pair: Pair) -> float:
        return LATENCY[self.latency](trace, len(split(pair.target, self.renderer.target_unit)))


def traces_of(starts: Sequence[SentenceStart], batch: Batch) -> list[Trace]:
    """Record the episodes of a batch, given the starts of its groups, in order."""
    groups = batch.segments.group.tolist()
    return [starts[group].trace(episode) for group, episode in zip(groups, batch.episodes, strict=True)]
