"""Laws that advantages obey: of order, packing, precision, constants, units of measure and processes."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seqpo.advantages.reference import Batch
from tests.support.advantage_batches import (
    Processes,
    batches,
    compute,
    joined,
    only,
    rows,
    scaled,
    shifted,
    simple,
    unscored,
)
from tests.support.advantage_cases import CASES, Case

every_case = pytest.mark.parametrize("case", CASES, ids=str)
some = settings(max_examples=20, deadline=None)
few = settings(max_examples=10, deadline=None)
seeds = st.integers(0, 2**20)


@every_case
@some
@given(batch=batches, seed=seeds)
def test_the_order_of_episodes_does_not_matter(case: Case, batch: Batch, seed: int):
    order = random.Random(seed).sample(range(len(batch.episodes)), len(batch.episodes))
    before = rows(batch, compute(case.build(), batch))
    after = compute(case.build(), only(batch, order))
    assert after == pytest.approx([a for index in order for a in before[index]], rel=1e-6, abs=1e-6)


@every_case
@some
@given(batch=batches)
def test_the_numbers_of_groups_do_not_matter(case: Case, batch: Batch):
    last = len(batch.starts) - 1
    renamed = Batch(tuple(replace(e, group=last - e.group) for e in batch.episodes), batch.starts[::-1])
    assert compute(case.build(), renamed) == pytest.approx(compute(case.build(), batch), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("case", [case for case in CASES if not case.spans], ids=str)
@some
@given(first=batches, second=batches)
def test_other_groups_do_not_matter(case: Case, first: Batch, second: Batch):
    apart = compute(case.build(), first) + compute(case.build(), second)
    assert compute(case.build(), joined(first, second)) == pytest.approx(apart, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("case", [case for case in CASES if case.spans], ids=str)
def test_what_spans_the_step_sees_other_groups(case: Case):
    alone, wild = simple([1.0, 2.0, 2.0]), simple([-50.0, 30.0], [0.0])
    assert compute(case.build(), joined(alone, wild))[:3] != pytest.approx(compute(case.build(), alone), rel=1e-3)


@every_case
@some
@given(batch=batches)
def test_half_the_precision_changes_little(case: Case, batch: Batch):
    exact = compute(case.build(), batch)
    assert compute(case.build(), batch, torch.float32) == pytest.approx(exact, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("case", [case for case in CASES if case.ignores == "group"], ids=str)
@some
@given(batch=batches, group=st.integers(0, 2), amount=st.integers(-40, 40))
def test_a_constant_for_a_group_changes_nothing(case: Case, batch: Batch, group: int, amount: int):
    moved = compute(case.build(), shifted(batch, [group], amount / 8))
    assert moved == pytest.approx(compute(case.build(), batch), rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("case", [case for case in CASES if case.ignores != "nothing"], ids=str)
@some
@given(batch=batches, amount=st.integers(-40, 40))
def test_a_constant_for_all_changes_nothing(case: Case, batch: Batch, amount: int):
    moved = compute(case.build(), shifted(batch, range(3), amount / 8))
    assert moved == pytest.approx(compute(case.build(), batch), rel=1e-5, abs=1e-5)


@every_case
@some
@given(batch=batches, factor=st.sampled_from([2, 8, 100]))
def test_the_unit_of_rewards(case: Case, batch: Batch, factor: int):
    factors = 1 if case.unitless else factor
    expected = [factors * a for a in compute(case.build(), batch)]
    # what is added to a deviation has no unit
    assert compute(case.build(), scaled(batch, factor)) == pytest.approx(expected, rel=5e-3, abs=5e-3)


@every_case
@few
@given(first=batches, second=batches, lost=st.sets(st.integers(0, 5)))
def test_two_processes_are_one(case: Case, first: Batch, second: Batch, lost: set[int]):
    first = unscored(first, lost)
    together = compute(case.build(), joined(first, second))
    found = Processes().compute([case.build(), case.build()], [first, second])
    assert found == pytest.approx(together, rel=1e-9, abs=1e-9)
