"""Turns, episodes, and how they are packed."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seqpo.types import Episode, Rewards, Turn, pack


def _episode(start: int, *actions: tuple[int, ...]) -> Episode:
    return Episode(start, tuple(Turn(None, action, tuple(-0.5 * i for i in action)) for action in actions))


EPISODES = [_episode(7, (1, 2), (3,)), _episode(4, (4,)), _episode(7, (5, 6, 7))]


def test_packing_by_hand():
    batch = pack(EPISODES)
    assert batch.actions.tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert batch.behaviour.tolist() == [-0.5, -1, -1.5, -2, -2.5, -3, -3.5]
    assert batch.segments.turn.tolist() == [0, 0, 1, 2, 3, 3, 3]
    assert batch.segments.episode.tolist() == [0, 0, 1, 2]
    # groups are numbered by first appearance: start 7, then start 4
    assert batch.segments.group.tolist() == [0, 1, 0]
    assert batch.segments.groups == 2
    assert batch.episodes == tuple(EPISODES)


def test_packing_keeps_the_wanted_dtype():
    assert pack(EPISODES, dtype=torch.float64).behaviour.dtype == torch.float64


def test_token_index_by_hand():
    assert pack(EPISODES).token_index([2, 0]).tolist() == [4, 5, 6, 0, 1, 2]


def test_a_truncated_episode_needs_what_was_seen_last():
    turns = EPISODES[0].turns
    assert Episode(0, turns, truncated=True, final=3).final == 3
    assert not Episode(0, turns).truncated
    with pytest.raises(ValueError, match="a truncated episode needs its final observation"):
        Episode(0, turns, truncated=True)


@given(
    st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=3), min_size=1, max_size=6),
    st.randoms(use_true_random=False),
)
def test_token_index_is_packing_in_another_order(shape: list[list[int]], rng):
    ids = iter(range(1000))
    episodes = [
        _episode(number, *(tuple(next(ids) for _ in range(length)) for length in turns))
        for number, turns in enumerate(shape)
    ]
    chosen = rng.sample(range(len(episodes)), rng.randint(1, len(episodes)))
    batch = pack(episodes)
    assert batch.actions[batch.token_index(chosen)].tolist() == pack(episodes[i] for i in chosen).actions.tolist()


def test_a_score_of_the_episode_stands_at_its_last_turn():
    segments = pack(EPISODES).segments
    rewards = Rewards.at_end(torch.tensor([1.0, 2.0, 3.0]), segments, {"quality": torch.zeros(3)})
    assert rewards.values.tolist() == [0, 1, 2, 3]
    assert list(rewards.parts) == ["quality"]


def test_episode_counts_its_action_tokens():
    assert [episode.actions for episode in EPISODES] == [3, 1, 3]


def test_what_cannot_be_learnt_from_is_refused():
    with pytest.raises(ValueError, match="a turn without an action token"):
        Turn(None, (), ())
    with pytest.raises(ValueError, match="2 action tokens with 1 behaviour log-probs"):
        Turn(None, (1, 2), (-0.1,))
    with pytest.raises(ValueError, match="an episode without a turn"):
        Episode(0, ())
    with pytest.raises(ValueError, match="without episodes"):
        pack([])
