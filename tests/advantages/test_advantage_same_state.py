"""GiGPO's comparison of turns that were chosen in the same state."""

from __future__ import annotations

import random
from dataclasses import replace
from math import sqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqpo.advantages import Comparison, SameState
from seqpo.advantages.reference import Batch, Episode, Start, Turn
from tests.support.advantage_batches import batches, compute

# A small tree: all leave state 0. Two take the same way to state 1 and part there; one goes to state 2.
#
#     0 ── 1 ── reward 4
#     │    └─── reward 0
#     └─── 2 ── reward 2, after a reward of 1 on the way
TREE = Batch(
    episodes=(
        Episode(0, (Turn(0, state=0), Turn(4, state=1))),
        Episode(0, (Turn(0, state=0), Turn(0, state=1))),
        Episode(0, (Turn(1, state=0), Turn(2, state=2))),
    ),
    starts=(Start(),),
)


def test_a_small_tree_by_hand():
    # returns 4, 0, 3: mean 7/3, so 5/3, −7/3, 2/3
    # γ = ½, from state 0: 0 + ½·4, 0, 1 + ½·2 = 2, 0, 2: mean 4/3, so 2/3, −4/3, 2/3
    # from state 1: 4, 0: ±2; alone in state 2: 0
    found = compute(SameState(weight=1.0, discount=0.5, scale="none"), TREE)
    assert found == pytest.approx([7 / 3, 11 / 3, -11 / 3, -13 / 3, 4 / 3, 2 / 3])


def test_a_small_tree_with_deviations_by_hand():
    # returns about 7/3: (25 + 49 + 4) / 9 / 2 = 13/3; from state 0: (4 + 16 + 4) / 9 / 2 = 4/3; from state 1: 8
    whole = [x / 3 / sqrt(13 / 3) for x in (5, -7, 2)]
    first = [x / 3 / sqrt(4 / 3) for x in (2, -4, 2)]
    second = [1 / sqrt(2), -1 / sqrt(2), 0]
    expected = [whole[i] + 0.5 * of_state[i] for i in range(3) for of_state in (first, second)]
    assert compute(SameState(weight=0.5, discount=0.5), TREE) == pytest.approx(expected, abs=1e-5)


def test_the_same_state_in_another_group_is_another_state():
    twice = Batch(
        TREE.episodes + tuple(replace(episode, group=1) for episode in TREE.episodes[::-1]), (Start(), Start(1))
    )
    assert compute(SameState(), twice)[:6] == pytest.approx(compute(SameState(), TREE))


def test_a_state_that_an_episode_meets_twice_compares_both_visits():
    # γ = 1: to go 3 and 2 from the one state, about 2½; alone in the group
    batch = Batch((Episode(0, (Turn(1), Turn(2))),), (Start(),))
    assert compute(SameState(discount=1.0, scale="none"), batch) == [0.5, -0.5]


@settings(max_examples=40, deadline=None)
@given(batch=batches)
def test_turns_alone_in_their_state_get_the_episodes_part_alone(batch: Batch):
    def part(index: int, episode: Episode) -> Episode:
        turns = (replace(turn, state=3 * index + t) for t, turn in enumerate(episode.turns))
        return replace(episode, turns=tuple(turns))

    alone = replace(batch, episodes=tuple(part(index, episode) for index, episode in enumerate(batch.episodes)))
    of_episodes = compute(Comparison("group-mean", "group-std"), alone)
    assert compute(SameState(weight=7.0), alone) == pytest.approx(of_episodes, rel=1e-9)


@settings(max_examples=40, deadline=None)
@given(batch=batches)
def test_without_weight_states_do_not_matter(batch: Batch):
    of_episodes = compute(Comparison("group-mean", "group-std"), batch)
    assert compute(SameState(weight=0.0), batch) == pytest.approx(of_episodes, rel=1e-9)


@settings(max_examples=40, deadline=None)
@given(batch=batches, seed=st.integers(0, 2**20))
def test_the_numbers_of_states_do_not_matter(batch: Batch, seed: int):
    names = random.Random(seed).sample(range(9), 3)

    def rename(episode: Episode) -> Episode:
        return replace(episode, turns=tuple(replace(turn, state=names[turn.state]) for turn in episode.turns))

    renamed = replace(batch, episodes=tuple(map(rename, batch.episodes)))
    assert compute(SameState(), renamed) == pytest.approx(compute(SameState(), batch), rel=1e-6, abs=1e-6)


def test_any_numbers_name_states():
    renamed = {0: -7, 1: 10**9, 2: 3}
    other = Batch(
        tuple(
            replace(episode, turns=tuple(replace(turn, state=renamed[turn.state]) for turn in episode.turns))
            for episode in TREE.episodes
        ),
        TREE.starts,
    )
    assert compute(SameState(), other) == pytest.approx(compute(SameState(), TREE))
