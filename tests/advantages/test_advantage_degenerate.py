"""Groups of one, no variance, and episodes that could not be scored."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seqpo import advantages
from seqpo.advantages import Comparison
from seqpo.advantages.reference import Batch, Episode, Start, Turn
from tests.support.advantage_batches import batches, compute, only, rows, simple, unscored
from tests.support.advantage_cases import CASES, Case

every_case = pytest.mark.parametrize("case", CASES, ids=str)
some = settings(max_examples=20, deadline=None)
OF_THE_GROUP = ["grpo", "dr-grpo", "rloo", "opo", "lite-ppo", "gpg", "reinforce++-baseline", "return-to-go", "gigpo"]


@pytest.mark.parametrize("case", [case for case in CASES if case.name in OF_THE_GROUP], ids=str)
def test_an_episode_alone_in_its_group_is_no_reason_to_learn(case: Case):
    assert compute(case.build(), simple([1.0], [5.0], [-3.0], tokens=2)) == [0] * 6


@every_case
def test_a_single_episode_in_all_is_finite(case: Case):
    assert all(map(math.isfinite, compute(case.build(), simple([[3.0]]))))


@pytest.mark.parametrize("case", [case for case in CASES if case.ignores != "nothing"], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@given(value=st.floats(-1000, 1000, width=32), sizes=st.lists(st.integers(1, 5), min_size=1, max_size=3))
@some
def test_the_same_return_everywhere_is_no_reason_to_learn(
    case: Case, dtype: torch.dtype, value: float, sizes: list[int]
):
    # the mean of equal numbers may be off by a rounding, that a tiny deviation must not blow up
    found = compute(case.build(), simple(*([value] * size for size in sizes)), dtype)
    assert found == pytest.approx([0.0] * sum(sizes), abs=1e-3)


@every_case
@some
@given(batch=batches, chosen=st.sets(st.integers(0, 5), min_size=1))
def test_an_unscored_episode_is_as_though_it_had_not_been_played(case: Case, batch: Batch, chosen: set[int]):
    scored = [index for index in range(len(batch.episodes)) if index not in chosen]
    found = rows(batch, compute(case.build(), unscored(batch, chosen)))
    assert all(a == 0 for index in chosen if index < len(found) for a in found[index])
    if scored:
        without = compute(case.build(), only(batch, scored))
        assert [a for index in scored for a in found[index]] == pytest.approx(without, rel=1e-9, abs=1e-9)


@every_case
@some
@given(batch=batches, group=st.integers(0, 2))
def test_a_group_of_unscored_episodes_gets_nothing(case: Case, batch: Batch, group: int):
    lost = [index for index, episode in enumerate(batch.episodes) if episode.group == group]
    found = rows(batch, compute(case.build(), unscored(batch, lost)))
    assert all(a == 0 for index in lost for a in found[index])
    assert all(math.isfinite(a) for row in found for a in row)


@every_case
@some
@given(batch=batches)
def test_nothing_scored_is_nothing_learnt(case: Case, batch: Batch):
    found = compute(case.build(), unscored(batch, range(len(batch.episodes))))
    assert found == [0] * len(found)


@pytest.mark.parametrize("name", ["gu", "spo"])
@some
@given(first=batches, second=batches, chosen=st.sets(st.integers(0, 5)), all_lost=st.booleans())
def test_an_unscored_episode_is_not_remembered(
    name: str, first: Batch, second: Batch, chosen: set[int], all_lost: bool
):
    chosen = set(range(6)) if all_lost else chosen
    scored = [index for index in range(len(first.episodes)) if index not in chosen]
    met, without = advantages.get(name), advantages.get(name)
    compute(met, unscored(first, chosen))
    if scored:
        compute(without, only(first, scored))
    assert compute(met, second) == pytest.approx(compute(without, second), rel=1e-6, abs=1e-6)


def test_without_a_scored_greedy_episode_there_is_nothing_to_compare_with():
    batch = simple([1.0, 2.0], [4.0, 7.0])
    batch = replace(batch, starts=(Start(greedy=math.nan), Start(greedy=5.0)))
    assert compute(advantages.get("remax"), batch) == [0, 0, -1, 2]
    # −1 and 2 about ½, over √(9/2); the first group counts nowhere
    whitened = Comparison("greedy", "whiten-units")
    assert compute(whitened, batch) == pytest.approx([0, 0, -1 / math.sqrt(2), 1 / math.sqrt(2)], abs=1e-5)


def test_infinity_is_a_number_like_any_other():
    batch = simple([1.0, math.inf], [4.0, 6.0])
    assert compute(advantages.get("reinforce"), batch) == [1, math.inf, 4, 6]
    # what is infinitely worse, and what has no difference, in that group; nothing of it in another
    first, second, *others = compute(advantages.get("dr-grpo"), batch)
    assert (first, math.isnan(second), others) == (-math.inf, True, [-1, 1])


def test_turns_without_a_peer_of_their_index_get_nothing():
    # means of first turns 4½, of second turns 3, of the third alone
    batch = Batch(
        (Episode(0, (Turn(1), Turn(2), Turn(4))), Episode(0, (Turn(5), Turn(2)))),
        (Start(),),
    )
    centred = Comparison("group-mean", "none", "return-to-go", discount=0.5)
    # to go 3, 4, 4 and 6, 2
    assert compute(centred, batch) == [-1.5, 1.0, 0.0, 1.5, -1.0]
    others = Comparison("leave-one-out", "none", "return-to-go", discount=0.5)
    assert compute(others, batch) == [-3.0, 2.0, 0.0, 3.0, -2.0]
