"""Sums and means over tokens, turns and episodes."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seqpo.segments import LEVELS, Denominators, Level, Segments, add_by

# three episodes: turns of 2 and 1 tokens, of 1 token, of 3 tokens
BY_HAND = Segments(
    turn=torch.tensor([0, 0, 1, 2, 3, 3, 3]),
    episode=torch.tensor([0, 0, 1, 2]),
    group=torch.tensor([1, 0, 1]),
    groups=2,
)
VALUES = torch.tensor([1.0, 2.0, 6.0, 4.0, 5.0, 6.0, 7.0])


def test_counts_by_hand():
    assert (BY_HAND.tokens, BY_HAND.turns, BY_HAND.episodes) == (7, 4, 3)
    assert BY_HAND.denominators == Denominators(episodes=3, tokens=7)
    assert BY_HAND.token_episode.tolist() == [0, 0, 0, 1, 2, 2, 2]
    assert [BY_HAND.count(level) for level in LEVELS] == [7, 4, 3]
    assert BY_HAND.lengths("token").tolist() == [1] * 7
    assert BY_HAND.lengths("turn").tolist() == [2, 1, 1, 3]
    assert BY_HAND.lengths("sequence").tolist() == [3, 1, 3]
    assert BY_HAND.count_per_episode("token").tolist() == [3, 1, 3]
    assert BY_HAND.count_per_episode("turn").tolist() == [2, 1, 1]
    assert BY_HAND.count_per_episode("sequence").tolist() == [1, 1, 1]


def test_sums_and_means_by_hand():
    assert BY_HAND.sum(VALUES, "turn").tolist() == [3, 6, 4, 18]
    assert BY_HAND.sum(VALUES, "sequence").tolist() == [9, 4, 18]
    assert BY_HAND.mean(VALUES, "turn").tolist() == [1.5, 6, 4, 6]
    assert BY_HAND.mean(VALUES, "sequence").tolist() == [3, 4, 6]
    assert BY_HAND.spread(torch.tensor([1.0, 2.0, 3.0]), "sequence").tolist() == [1, 1, 1, 2, 3, 3, 3]
    assert BY_HAND.spread(torch.tensor([1.0, 2.0, 3.0, 4.0]), "turn").tolist() == [1, 1, 2, 3, 4, 4, 4]


def test_the_slope_of_a_mean_is_one_over_the_length():
    values = VALUES.clone().requires_grad_()
    (slope,) = torch.autograd.grad(BY_HAND.mean(values, "turn")[3], values)
    torch.testing.assert_close(slope, torch.tensor([0, 0, 0, 0, 1 / 3, 1 / 3, 1 / 3]))


@pytest.mark.parametrize("level", LEVELS)
@given(st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=3), min_size=1, max_size=4), st.integers(0, 99))
def test_equals_python_loops(level: Level, shape: list[list[int]], seed: int):
    lengths = [length for turns in shape for length in turns]
    segments = Segments(
        turn=torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths)),
        episode=torch.repeat_interleave(torch.arange(len(shape)), torch.tensor([len(turns) for turns in shape])),
        group=torch.zeros(len(shape), dtype=torch.long),
        groups=1,
    )
    sizes = {"token": [1] * sum(lengths), "turn": lengths, "sequence": [sum(turns) for turns in shape]}[level]
    values = torch.randn(sum(lengths), dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    pieces = values.split(sizes)
    torch.testing.assert_close(segments.sum(values, level), torch.stack([p.sum() for p in pieces]))
    torch.testing.assert_close(segments.mean(values, level), torch.stack([p.mean() for p in pieces]))
    spread = segments.spread(torch.arange(len(sizes)), level)
    assert spread.tolist() == [i for i, size in enumerate(sizes) for _ in range(size)]
    assert segments.count(level) == len(segments.episode_of(level)) == len(sizes)


def test_add_by_leaves_zero_where_nothing_is_added():
    assert add_by(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([2, 0, 2]), 4).tolist() == [2, 0, 4, 0]
