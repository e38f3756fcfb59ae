"""Simultaneous translation as a task: sentences to start from, and a score for what was made of them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate

import torch
from torch import Tensor

from seqpo.tasks.translation.corpora import Pair
from seqpo.tasks.translation.dialogue import Layout, SourceDialogue
from seqpo.tasks.translation.epochs import sentences_of
from seqpo.tasks.translation.parallel import ParallelTask, traces_of
from seqpo.tasks.translation.schedules import ScheduleMixture
from seqpo.tasks.translation.traces import Trace
from seqpo.tasks.translation.units import split
from seqpo.types import Batch, Episode, Observation


@dataclass(frozen=True)
class TranslationTask(ParallelTask["TranslationStart"]):
    """Parallel sentences, read in chunks of `chunk` units.

    Attributes:
        pairs: the sentences.
        renderer: how they become tokens.
        chunks: units per source chunk; demonstrations draw one of several.
        layout: interleaved or cumulative.
        schedule: of demonstrations.
        quality: scores hypotheses; needed for rewards only.
        latency: key of `LATENCY`.
        reward: fuses the two.
        seed: of the order of sentences and of the demonstrations' schedules.
    """

    chunks: tuple[int, ...] = (1,)
    layout: Layout = "interleaved"
    schedule: ScheduleMixture = field(default_factory=ScheduleMixture)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.chunks or min(self.chunks) < 1:
            raise ValueError(f"a chunk holds one source unit or more, got {self.chunks}")

    def dialogue(self, pair: Pair, chunk: int) -> SourceDialogue:
        """Let the source of a pair be read."""
        return SourceDialogue(self.renderer, tuple(split(pair.source, self.renderer.source_unit)), chunk, self.layout)

    def start(self, pair: Pair, number: int) -> TranslationStart:
        """Make the start of a sentence."""
        return TranslationStart(self.dialogue(pair, self.chunks[0]), pair, number)

    def measures(self, trace: Trace) -> dict[str, float]:
        """Name the turns in which more was awaited."""
        return {"waits": _waits(trace)}

    def demonstrations(self, count: int, *, step: int) -> list[Episode]:
        """Return episodes to imitate: sentences with a drawn chunk size and a drawn schedule."""
        rng = random.Random(f"{self.seed} demonstrations {step}")
        episodes = []
        for number in sentences_of(step, count, len(self.pairs), self.seed):
            pair = self.pairs[number]
            dialogue = self.dialogue(pair, rng.choice(self.chunks))
            target = split(pair.target, self.renderer.target_unit)
            allowed = self.schedule.draw(rng, len(dialogue.source), len(target), pair.alignment)
            episodes.append(dialogue.demonstrate(target, allowed))
        return episodes

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
        for group, trace in zip(batch.segments.group.tolist(), traces_of(starts, batch), strict=True):
            texts = accumulate((piece for _, piece in trace.turns[:-1]), initial="")
            # in a group, the place of a turn tells what has been read
            numbers += [known.setdefault((group, place, text), len(known)) for place, text in enumerate(texts)]
        return torch.tensor(numbers, device=batch.actions.device)


@dataclass(frozen=True)
class TranslationStart:
    """A sentence that episodes start from.

    Attributes:
        dialogue: shows its source.
        pair: what episodes are scored by.
        number: its place in the corpus.
    """

    dialogue: SourceDialogue
    pair: Pair
    number: int

    def observe(self, answers: Sequence[tuple[int, ...]]) -> Observation | None:
        """Show the next chunk."""
        return self.dialogue.observe(answers)

    def trace(self, episode: Episode) -> Trace:
        """Record an episode, a turn for a turn."""
        return self.dialogue.trace([turn.action for turn in episode.turns])


def _waits(trace: Trace) -> int:
    """Turns in which more was awaited: what is written once the source is over belongs to the last chunk's turn."""
    *earlier, last, end = (not piece.strip() for _, piece in trace.turns)
    return sum(earlier) + (last and end)
