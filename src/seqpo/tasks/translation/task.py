"""Simultaneous translation as a task: sentences to start from, and a judgement of what was made of them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import torch

from seqpo.episodes import Batch, Episode, Observation, Rewards
from seqpo.tasks.translation.corpora import Pair
from seqpo.tasks.translation.framing import Framing
from seqpo.tasks.translation.latency import LATENCY
from seqpo.tasks.translation.quality import QualityMetric
from seqpo.tasks.translation.rewards import FusedReward
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
    reward: FusedReward = field(default_factory=FusedReward)
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
        return [TranslationStart(self.script(pair, self.chunks[0]), pair) for pair in self._pairs_of(count, step)]

    def demonstrations(self, count: int, *, step: int) -> list[Episode]:
        """Return episodes to imitate: sentences with a drawn chunk size and a drawn schedule."""
        rng = random.Random(f"{self.seed} demonstrations {step}")
        episodes = []
        for pair in self._pairs_of(count, step):
            script = self.script(pair, rng.choice(self.chunks))
            target = split(pair.target, self.framing.target_unit)
            allowed = self.schedule.draw(rng, len(script.source), len(target), pair.alignment)
            episodes.append(script.demonstrate(target, allowed))
        return episodes

    def judge(self, starts: Sequence[TranslationStart], batch: Batch) -> Rewards:
        """Judge whole episodes: fused quality and latency, at the last turn of each.

        Args:
            starts: the starts of the batch's groups, in order of the groups.
            batch: the packed episodes.
        """
        assert self.quality is not None, "rewards need a quality metric"
        of = [starts[index] for index in batch.segments.group.tolist()]
        traces = [
            start.script.trace([turn.action for turn in episode.turns])
            for start, episode in zip(of, batch.episodes, strict=True)
        ]
        pairs = [start.pair for start in of]
        scores = self.quality([p.source for p in pairs], [t.text for t in traces], [p.target for p in pairs])
        delays = [self._delay(trace, pair) for trace, pair in zip(traces, pairs, strict=True)]
        segments, dtype = batch.segments, batch.behaviour.dtype
        device = batch.behaviour.device
        quality = torch.tensor(scores, dtype=dtype, device=device)
        latency = torch.tensor(delays, dtype=dtype, device=device)
        waits = torch.tensor([float(trace.waits) for trace in traces], dtype=dtype, device=device)
        fused = self.reward(quality, latency, segments.group, segments.groups)
        return Rewards.at_end(fused, segments, {"quality": quality, "latency": latency, "waits": waits})

    def _delay(self, trace: Trace, pair: Pair) -> float:
        return LATENCY[self.latency](trace, len(split(pair.target, self.framing.target_unit)))

    def _pairs_of(self, count: int, step: int) -> list[Pair]:
        """The sentences at places step·count … of the endless sequence of shuffled epochs."""
        chosen = []
        for place in range(step * count, (step + 1) * count):
            epoch, index = divmod(place, len(self.pairs))
            chosen.append(self.pairs[_permutation(self.seed, epoch, len(self.pairs))[index]])
        return chosen


@dataclass(frozen=True)
class TranslationStart:
    """A sentence that episodes start from: its script, and the pair that they are judged by."""

    script: SourceScript
    pair: Pair

    def observe(self, answers: Sequence[tuple[int, ...]]) -> Observation | None:
        """Show the script's next chunk."""
        return self.script.observe(answers)


@lru_cache(maxsize=4)
def _permutation(seed: int, epoch: int, size: int) -> list[int]:
    order = list(range(size))
    random.Random(f"{seed} epoch {epoch}").shuffle(order)
    return order
