"""Small batches of the plain loops' numbers: drawn, changed, and as tensors; and a run of two processes."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from threading import Barrier, Thread

import torch
from hypothesis import strategies as st
from torch import Tensor

from seqpo.advantages import Advantage, AdvantageInputs
from seqpo.advantages.inputs import Sum, alone
from seqpo.advantages.reference import Batch, Episode, Start, Turn
from seqpo.segments import Segments

POPULATION = 5


def simple(*groups: Sequence[float | Sequence[float]], tokens: int = 1) -> Batch:
    """Groups of episodes, each its return in a single turn, or the rewards of its turns."""
    episodes = [
        Episode(group, tuple(Turn(reward, (0.0,) * tokens) for reward in (row if isinstance(row, Sequence) else [row])))
        for group, rows in enumerate(groups)
        for row in rows
    ]
    return Batch(tuple(episodes), tuple(Start(number) for number in range(len(groups))))


def segments_of(batch: Batch) -> Segments:
    turns = [turn for episode in batch.episodes for turn in episode.turns]
    return Segments(
        turn=torch.tensor([index for index, turn in enumerate(turns) for _ in turn.values]),
        episode=torch.tensor([index for index, episode in enumerate(batch.episodes) for _ in episode.turns]),
        group=torch.tensor([episode.group for episode in batch.episodes]),
        groups=len(batch.starts),
    )


def inputs_of(batch: Batch, advantage: Advantage, dtype: torch.dtype = torch.float64) -> AdvantageInputs:
    """All that an advantage may need; a critic's values are those of its level."""
    turns = [turn for episode in batch.episodes for turn in episode.turns]
    values = {
        "token": [value for turn in turns for value in turn.values],
        "turn": [turn.values[0] for turn in turns],
        "sequence": [episode.value for episode in batch.episodes],
    }
    return AdvantageInputs(
        values=torch.tensor(values[advantage.level], dtype=dtype),
        bootstrap=torch.tensor([episode.bootstrap for episode in batch.episodes], dtype=dtype),
        greedy=torch.tensor([start.greedy for start in batch.starts], dtype=dtype),
        states=torch.tensor([turn.state for turn in turns]),
        starts=torch.tensor([start.number for start in batch.starts]),
        num_starts=POPULATION,
    )


def compute(
    advantage: Advantage, batch: Batch, dtype: torch.dtype = torch.float64, all_sum: Sum = alone
) -> list[float]:
    """The advantage of each token."""
    rewards = torch.tensor([turn.reward for episode in batch.episodes for turn in episode.turns], dtype=dtype)
    found = advantage(rewards, segments_of(batch), inputs_of(batch, advantage, dtype), all_sum)
    assert found.dtype == dtype
    return found.tolist()


# The same batch in other words.


def rows(batch: Batch, tokens: Iterable[float]) -> list[list[float]]:
    """The tokens of each episode."""
    flat = iter(tokens)
    return [[next(flat) for _ in range(episode.tokens)] for episode in batch.episodes]


def only(batch: Batch, keep: Iterable[int]) -> Batch:
    """Some episodes of a batch, in that order."""
    return replace(batch, episodes=tuple(batch.episodes[index] for index in keep))


def joined(first: Batch, second: Batch) -> Batch:
    """Two batches as one; their groups stay apart."""
    moved = tuple(replace(episode, group=episode.group + len(first.starts)) for episode in second.episodes)
    return Batch(first.episodes + moved, first.starts + second.starts)


def shifted(batch: Batch, groups: Iterable[int], amount: float) -> Batch:
    """Every episode of some groups gets a constant at its end."""
    chosen = set(groups)

    def shift(episode: Episode) -> Episode:
        *before, last = episode.turns
        return replace(episode, turns=(*before, replace(last, reward=last.reward + amount)))

    return replace(batch, episodes=tuple(shift(e) if e.group in chosen else e for e in batch.episodes))


def scaled(batch: Batch, factor: float) -> Batch:
    """Everything that is measured in rewards, multiplied."""

    def scale(turn: Turn) -> Turn:
        return replace(turn, reward=factor * turn.reward, values=tuple(factor * value for value in turn.values))

    return Batch(
        tuple(Episode(e.group, tuple(map(scale, e.turns)), factor * e.bootstrap) for e in batch.episodes),
        tuple(replace(start, greedy=factor * start.greedy) for start in batch.starts),
    )


def unscored(batch: Batch, indices: Iterable[int]) -> Batch:
    """Some episodes without a score: one of their turns has reward NaN."""
    chosen = set(indices)

    def spoil(index: int, episode: Episode) -> Episode:
        at = index % len(episode.turns)
        turns = list(episode.turns)
        turns[at] = replace(turns[at], reward=math.nan)
        return replace(episode, turns=tuple(turns))

    return replace(batch, episodes=tuple(spoil(i, e) if i in chosen else e for i, e in enumerate(batch.episodes)))


# Batches of any form. Eighths are exact in float32, and often equal.

shapes = st.lists(
    st.tuples(st.integers(0, 2), st.lists(st.integers(1, 3), min_size=1, max_size=3)), min_size=1, max_size=6
)


def _draw(shape: list[tuple[int, list[int]]], seed: int, coarse: bool) -> Batch:
    rng = random.Random(seed)

    def number() -> float:
        return float(rng.randint(0, 1)) if coarse else rng.randint(-20, 20) / 8

    def turn(tokens: int) -> Turn:
        return Turn(number(), tuple(number() for _ in range(tokens)), rng.randint(0, 2))

    episodes = tuple(
        Episode(group, tuple(map(turn, lengths)), number() if rng.random() < 0.5 else 0.0) for group, lengths in shape
    )
    starts = tuple(Start(rng.randrange(POPULATION), number()) for _ in range(3))
    return Batch(episodes, starts)


batches = st.builds(_draw, shapes, st.integers(0, 2**20), st.booleans())
"""Up to six episodes of one to three turns of one to three tokens, half of them cut off, in up to three groups, one of
which may be empty."""


class Processes:
    """Sums tensors over two threads that play the processes of a run."""

    def __init__(self) -> None:
        self._meet = Barrier(2)
        self._shown: dict[int, Tensor] = {}

    def all_sum(self, rank: int, tensor: Tensor) -> Tensor:
        self._shown[rank] = tensor.clone()
        self._meet.wait(10)
        total = self._shown[0] + self._shown[1]
        self._meet.wait(10)
        return total

    def compute(self, advantages: Sequence[Advantage], parts: Sequence[Batch]) -> list[float]:
        """What both compute together: each its part of the step, with its own advantage."""
        found: dict[int, list[float]] = {}

        def work(rank: int) -> None:
            found[rank] = compute(advantages[rank], parts[rank], all_sum=lambda tensor: self.all_sum(rank, tensor))

        threads = [Thread(target=work, args=(rank,)) for rank in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return found[0] + found[1]
