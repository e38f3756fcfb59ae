"""Advantages that remember: running averages, and a running value of every start."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seqpo import advantages
from seqpo.advantages import AdvantageInputs, Comparison, HasState, RunningScale, RunningValue
from seqpo.advantages.reference import Batch, Episode, Start, Turn, gu, spo
from tests.support.advantage_batches import Processes, batches, compute, joined, only, segments_of, simple

some = settings(max_examples=40, deadline=None)
few = settings(max_examples=10, deadline=None)
steps_of = st.lists(batches, min_size=1, max_size=4)
memories = pytest.mark.parametrize("name", ["gu", "spo"])


def plain(rate: float) -> RunningScale:
    return RunningScale(Comparison("none"), rate)


# Running averages.


def test_running_scale_of_two_batches_by_hand():
    running = plain(rate=0.25)
    # mean 2, num_starts variance 1
    assert compute(running, simple([1, 3])) == pytest.approx([-1, 1], abs=1e-5)
    # mean 10, variance 16; a quarter of the way: 2 + 8/4 = 4, 1 + 15/4 = 4.75
    found = compute(running, simple([6, 14]))
    assert found == pytest.approx([2 / sqrt(4.75), 10 / sqrt(4.75)], abs=1e-5)
    assert running.state_dict()["moments"].tolist() == pytest.approx([4, 4.75], rel=1e-12)


def test_running_scale_counts_a_turn_once_whatever_its_length():
    # turns 2 of three tokens and 6 of one: mean 4, variance 4
    batch = Batch((Episode(0, (Turn(2, (0, 0, 0)),)), Episode(0, (Turn(6),))), (Start(),))
    running = RunningScale(Comparison("none", "none", "return-to-go"))
    assert compute(running, batch) == pytest.approx([-1, -1, -1, 1], abs=1e-5)
    assert running.state_dict()["moments"].tolist() == pytest.approx([4, 4], rel=1e-12)


@some
@given(first=batches, second=batches)
def test_running_scale_at_full_rate_is_the_batch_alone(first: Batch, second: Batch):
    running = plain(rate=1.0)
    compute(running, first)
    assert compute(running, second) == pytest.approx(compute(plain(rate=1.0), second), rel=1e-6, abs=1e-6)


@some
@given(steps=steps_of, rate=st.sampled_from([0.1, 0.5, 1.0]))
def test_running_scale_equals_the_loops(steps: list[Batch], rate: float):
    running = advantages.get("gu", rate=rate)
    for index, batch in enumerate(steps):
        expected = gu(*steps[: index + 1], rate=rate)
        assert compute(running, batch) == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_running_scale_passes_on_what_the_scaled_advantage_is():
    running = RunningScale(advantages.get("gigpo"))
    assert (running.needs, running.level) == (("states",), "turn")


# A running value of every start.


def value_of(running: RunningValue, number: int = 0) -> float:
    total, visits = running.state_dict()["counts"][:, number].tolist()
    return float(total / visits)


def test_running_value_of_three_visits_by_hand():
    # the prior is worth 2 visits, so the counts are S, W = 1, 2
    running = RunningValue(prior=0.5, visits=2, rho=0.9)
    counts = []
    for wins in ([1, 1], [0], [1, 0]):
        compute(running, simple(wins))
        counts.append(running.state_dict()["counts"][:, 0].tolist())
    assert counts[0] == pytest.approx([0.9 * 1 + 2, 0.9 * 2 + 2])
    assert counts[1] == pytest.approx([0.9 * 2.9, 0.9 * 3.8 + 1])
    assert counts[2] == pytest.approx([0.9 * 2.61 + 1, 0.9 * 4.42 + 2])


def test_wins_and_visits_are_the_counts_of_a_beta_distribution():
    # α = S and β = W − S: a win adds one to α, a loss one to β, and both forget alike
    running, alpha, beta = RunningValue(prior=0.25, visits=4, rho=0.75), 1.0, 3.0
    for won in (1, 0, 1, 1):
        compute(running, simple([won]))
        alpha, beta = 0.75 * alpha + won, 0.75 * beta + 1 - won
        assert value_of(running) == pytest.approx(alpha / (alpha + beta), rel=1e-12)


def test_the_value_is_the_one_from_before_the_visit():
    running = RunningValue(prior=0.5, visits=2, rho=0.5)
    # start 0: S, W = 1, 2, then ½·1 + 2, ½·2 + 1 = 2.5, 2; start 1: 1, 2, then 0.5, 2
    # differences: 2 − ½ and 0 − ½: ±1 about ½, over √2
    assert compute(running, simple([2], [0])) == pytest.approx([1 / sqrt(2), -1 / sqrt(2)], abs=1e-5)
    # 2 − 1.25 and 0 − 0.25: again ±½ about ¼, over √½
    assert compute(running, simple([2], [0])) == pytest.approx([1 / sqrt(2), -1 / sqrt(2)], abs=1e-5)
    # what is expected of each is no news: S, W = 3.25, 2 and 0.25, 2
    assert compute(running, simple([1.625], [0.125])) == pytest.approx([0, 0], abs=1e-5)


def test_a_start_that_was_not_visited_keeps_its_prior():
    running = RunningValue(prior=0.3)
    compute(running, simple([1, 1]))
    assert value_of(running, number=0) > 0.3
    assert value_of(running, number=1) == pytest.approx(0.3, rel=1e-12)
    before = running.state_dict()["counts"][:, 0].tolist()
    compute(running, replace(simple([0]), starts=(Start(number=1),)))
    assert running.state_dict()["counts"][:, 0].tolist() == before


def test_two_groups_of_one_start_are_one_visit():
    twice = replace(simple([1, 0], [1]), starts=(Start(2), Start(2)))
    once = replace(simple([1, 0, 1]), starts=(Start(2),))
    apart, together = RunningValue(), RunningValue()
    assert compute(apart, twice) == pytest.approx(compute(together, once), rel=1e-12)
    torch.testing.assert_close(apart.state_dict(), together.state_dict())


@some
@given(steps=steps_of, prior=st.sampled_from([0.0, 0.5]), rho=st.sampled_from([0.6, 0.95]))
def test_running_value_equals_the_loops(steps: list[Batch], prior: float, rho: float):
    options = {"prior": prior, "visits": 2.5, "rho": rho}
    running = advantages.get("spo", **options)
    for index, batch in enumerate(steps):
        expected = spo(*steps[: index + 1], **options)
        assert compute(running, batch) == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_another_population_raises():
    running = RunningValue()
    compute(running, simple([1]))
    rewards, segments = torch.tensor([1.0]), segments_of(simple([1]))
    with pytest.raises(ValueError, match="values of 5 starts are remembered, the task has 7"):
        running(rewards, segments, AdvantageInputs(starts=torch.tensor([0]), num_starts=7))


@pytest.mark.parametrize(("number", "num_starts"), [(0, 0), (5, 5), (-1, 5)])
def test_a_start_outside_the_population_raises(number: int, num_starts: int):
    inputs = AdvantageInputs(starts=torch.tensor([number]), num_starts=num_starts)
    with pytest.raises(ValueError, match=f"0 or more, and below inputs.num_starts = {num_starts}"):
        RunningValue()(torch.tensor([1.0]), segments_of(simple([1])), inputs)


# Both.


@memories
@some
@given(steps=st.lists(batches, min_size=2, max_size=4), cut=st.integers(0, 3))
def test_they_go_on_exactly_from_their_memory(name: str, steps: list[Batch], cut: int):
    whole, before, after = (advantages.get(name) for _ in range(3))
    assert isinstance(before, HasState)
    assert isinstance(after, HasState)
    cut = min(cut, len(steps) - 1)
    for batch in steps[:cut]:
        compute(whole, batch)
        compute(before, batch)
    after.load_state_dict(before.state_dict())
    for batch in steps[cut:]:
        assert compute(after, batch) == compute(whole, batch)


@memories
@few
@given(batch=batches)
def test_a_memory_is_a_copy_of_the_moment(name: str, batch: Batch):
    running = advantages.get(name)
    assert isinstance(running, HasState)
    assert running.state_dict() == {}
    compute(running, batch)
    memory = running.state_dict()
    kept = {key: value.clone() for key, value in memory.items()}
    compute(running, simple([100.0, -50.0]))
    torch.testing.assert_close(memory, kept, rtol=0, atol=0)


@memories
@few
@given(first=batches, second=batches)
def test_the_order_of_episodes_is_not_remembered(name: str, first: Batch, second: Batch):
    backwards = only(first, range(len(first.episodes) - 1, -1, -1))
    one, other = advantages.get(name), advantages.get(name)
    compute(one, first)
    compute(other, backwards)
    assert compute(one, second) == pytest.approx(compute(other, second), rel=1e-6, abs=1e-6)


@memories
@few
@given(first=st.tuples(batches, batches), second=st.tuples(batches, batches))
def test_two_processes_remember_the_same(name: str, first: tuple[Batch, Batch], second: tuple[Batch, Batch]):
    whole, parts = advantages.get(name), [advantages.get(name), advantages.get(name)]
    processes = Processes()
    for step in (first, second):
        assert processes.compute(parts, step) == pytest.approx(compute(whole, joined(*step)), rel=1e-6, abs=1e-6)
    left, right = parts
    assert isinstance(left, HasState)
    assert isinstance(right, HasState)
    torch.testing.assert_close(left.state_dict(), right.state_dict(), rtol=0, atol=0)
