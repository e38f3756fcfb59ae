"""Simultaneous translation as a task: sentences to start from, and a judgement of what was made of them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate

import torch
from torch import Tensor

from seqpo.episodes import Batch, Episode, Observation, Rewards
from seqpo.tasks.translation.corpora import Pair
from seqpo.tasks.translation.epochs import sentences_of
from seqpo.tasks.translation.framing import Framing
from seqpo.tasks.translation.latency import LATENCY
from seqpo.tasks.translation.quality import QualityMetric
from seqpo.tasks.translation.rewards import Fusion, Judged, SeqPOReward
from seqpo.tasks.translation.schedules import ScheduleMixture
from seqpo.tasks.translation.scripts import Layout, SourceScript
from seqpo.tasks.translation.traces import Trace
from seqpo.tasks.translation.units import split


@dataclass(frozen=True)
class TranslationTask:
    """Parallel sentences, read in chunks of `chunk` units.

    Attributes:
        pairs: the sentences.
        framing: how they become tokens.
        chunks: units per source chunk; demonstrations draw one of several.
        layout: interleaved or cumulative.
        schedule: of demonstrations.
        quality: scores hypotheses; needed for rewards only.
        latency: key of `LATENCY`.
        reward: fuses the two.
        seed: of the order of sentences and of the demonstrations' schedules.
    """

    pairs: Sequence[Pair]
    framing: Framing
    chunks: tuple[int, ...] = (1,)
    layout: Layout = "interleaved"
    schedule: ScheduleMixture = field(default_factory=ScheduleMixture)
    quality: QualityMetric | None = None
    latency: str = "al"
    reward: Fusion = field(default_factory=SeqPOReward)
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.pairs:
            raise ValueError("a translation task needs sentences")
        if not self.chunks or min(self.chunks) < 1:
            raise ValueError(f"a chunk holds one source unit or more, got {self.chunks}")
        if self.latency not in LATENCY:
            raise ValueError(f"unknown latency {self.latency!r}: choose one of {', '.join(LATENCY)}")

    def script(self, pair: Pair, chunk: int) -> SourceScript:
        """Make the script of a pair's source."""
        return SourceScript(self.framing, tuple(split(pair.source, self.framing.source_unit)), chunk, self.layout)

    def starts(self, count: int, *, step: int) -> list[TranslationStart]:
        """Return the sentences of a training step: each epoch is a permutation, cut into steps."""
        chosen = [(number, self.pairs[number]) for number in sentences_of(step, count, len(self.pairs), self.seed)]
        return [TranslationStart(self.script(pair, self.chunks[0]), pair, number) for number, pair in chosen]

    def demonstrations(self, count: int, *, step: int) -> list[Episode]:
        """Return episodes to imitate: sentences with a drawn chunk size and a drawn schedule."""
        rng = random.Random(f"{self.seed} demonstrations {step}")
        episodes = []
        for number in sentences_of(step, count, len(self.pairs), self.seed):
            pair = self.pairs[number]
            script = self.script(pair, rng.choice(self.chunks))
            target = split(pair.target, self.framing.target_unit)
            allowed = self.schedule.draw(rng, len(script.source), len(target), pair.alignment)
            episodes.append(script.demonstrate(target, allowed))
        return episodes

    def judge(self, starts: Sequence[TranslationStart], batch: Batch) -> Rewards:
        """Judge quality and latency of whole episodes, and fuse them into rewards of turns.

        Args:
            starts: the starts of the batch's groups, in order of the groups.
            batch: the packed episodes.
        """
        assert self.quality is not None, "rewards need a quality metric"
        pairs = [starts[index].pair for index in batch.segments.group.tolist()]
        traces = _traces(starts, batch)
        references = [pair.target for pair in pairs]
        scores = self.quality([pair.source for pair in pairs], [trace.text for trace in traces], references)
        delays = [self._delay(trace, pair) for trace, pair in zip(traces, pairs, strict=True)]
        quality = batch.behaviour.new_tensor(scores)
        latency = batch.behaviour.new_tensor(delays)
        waits = batch.behaviour.new_tensor([_waits(trace) for trace in traces])
        values = self.reward(Judged(quality, latency, traces, references, batch.segments))
        return Rewards(values, {"quality": quality, "latency": latency, "waits": waits})

    def states(self, starts: Sequence[TranslationStart], batch: Batch) -> Tensor:
        """Number the states that turns stand before, as anchors of step-level credit (GiGPO, 2505.10978).

        Two turns have the same number if and only if they belong to one group, have been shown as much of the
        source, the news of its end included, and follow the same text.

        Args:
            starts: the starts of the batch's groups, in order of the groups.
            batch: the packed episodes.

        Returns:
            `[turns]`, from 0.
        """
        known: dict[tuple[int, int, str], int] = {}
        numbers = []
        for group, trace in zip(batch.segments.group.tolist(), _traces(starts, batch), strict=True):
            texts = accumulate((piece for _, piece in trace.turns[:-1]), initial="")
            # in a group, the place of a turn tells what has been read
            numbers += [known.setdefault((group, place, text), len(known)) for place, text in enumerate(texts)]
        return torch.tensor(numbers, device=batch.actions.device)

    def numbers(self, starts: Sequence[TranslationStart]) -> Tensor:
        """`[groups]` place of each start's sentence among all, the same whenever the sentence comes again."""
        return torch.tensor([start.number for start in starts])

    @property
    def population(self) -> int:
        """How many sentences there are."""
        return len(self.pairs)

    def _delay(self, trace: Trace, pair: Pair) -> float:
        return LATENCY[self.latency](trace, len(split(pair.target, self.framing.target_unit)))


@dataclass(frozen=True)
class TranslationStart:
    """A sentence that episodes start from.

    Attributes:
        script: shows its source.
        pair: what episodes are judged by.
        number: its place in the corpus.
    """

    script: SourceScript
    pair: Pair
    number: int

    def observe(self, answers: Sequence[tuple[int, ...]]) -> Observation | None:
        """Show the script's next chunk."""
        return self.script.observe(answers)

    def trace(self, episode: Episode) -> Trace:
        """Record an episode, a turn for a turn: unlike in the script's own record, its last turn reads nothing."""
        framing = self.script.framing
        answers = [[token for token in turn.action if token != framing.stop] for turn in episode.turns]
        turns = zip(self.script.reads, framing.pieces(answers), strict=True)
        return Trace(self.script.source, tuple(turns), framing.target_unit)


def _traces(starts: Sequence[TranslationStart], batch: Batch) -> list[Trace]:
    groups = batch.segments.group.tolist()
    return [starts[group].trace(episode) for group, episode in zip(groups, batch.episodes, strict=True)]


def _waits(trace: Trace) -> int:
    """Turns in which more was awaited: what is written once the source is over belongs to the last chunk's turn."""
    *earlier, last, end = (not piece.strip() for _, piece in trace.turns)
    return sum(earlier) + (last and end)
