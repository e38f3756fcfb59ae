"""How a rollout is cut, by hand."""

from __future__ import annotations

import pytest
import torch

from seqpo.segments import LEVELS, Level
from seqpo.training.minibatches import Minibatches
from seqpo.training.world import World
from seqpo.types import Batch, Episode, Turn, pack


def episode(start: int, *lengths: int) -> Episode:
    return Episode(start, tuple(Turn(None, (7,) * length, (0.0,) * length) for length in lengths))


# Groups 0, 0, 1, 2, of 3, 1, 2 and 3 tokens.
ROLLOUT = Minibatches(
    pack([episode(5, 2, 1), episode(5, 1), episode(8, 1, 1), episode(9, 3)], dtype=torch.float64),
    (4, 1, 3, 4),
    8,
    World(),
)


def test_groups_stay_together_and_are_dealt_in_turn():
    assert ROLLOUT.deal(1) == [[0, 1, 2, 3]]
    assert ROLLOUT.deal(2) == [[0, 1, 3], [2]]
    assert ROLLOUT.deal(3) == [[0, 1], [2], [3]]


def test_a_micro_batch_fits_the_budget_padding_included():
    assert ROLLOUT.micro_batches([0, 1, 2, 3]) == [[0, 3], [2, 1]]
    assert ROLLOUT.micro_batches([3, 1]) == [[3, 1]]


def test_there_are_as_many_micro_batches_as_any_process_needs():
    class Busy(World):
        def most(self, number: int) -> int:
            return max(number, 3)

    shared = Minibatches(ROLLOUT.batch, ROLLOUT.num_tokens, 100, Busy())
    parts = shared.micro_batches([0, 1, 2, 3])
    assert len(parts) == 3
    assert sorted(member for part in parts for member in part) == [0, 1, 2, 3]


def test_the_units_of_some_episodes_are_found_in_their_order():
    assert ROLLOUT.index([2, 0], "token").tolist() == [4, 5, 0, 1, 2]
    assert ROLLOUT.index([2, 0], "turn").tolist() == [3, 4, 0, 1]
    assert ROLLOUT.index([2, 0], "sequence").tolist() == [2, 0]
    assert ROLLOUT.pack([2, 0]).episodes == (ROLLOUT.batch.episodes[2], ROLLOUT.batch.episodes[0])


@pytest.mark.parametrize("level", LEVELS)
def test_scores_come_back_in_the_order_of_the_batch(level: Level):
    """Each unit is given the number of its episode's tokens; in parts, and without gradient."""
    weight, seen = torch.ones((), requires_grad=True), []

    def score(part: Batch) -> torch.Tensor:
        seen.append(part.segments.episodes)
        return part.segments.lengths("sequence")[part.segments.episode_of(level)].float() * weight

    found = ROLLOUT.score(score, level)
    expected = {"token": [3, 3, 3, 1, 2, 2, 3, 3, 3], "turn": [3, 3, 1, 2, 2, 3], "sequence": [3, 1, 2, 3]}
    assert found.tolist() == expected[level]
    assert found.dtype == torch.float64
    assert not found.requires_grad
    assert seen == [2, 2]
