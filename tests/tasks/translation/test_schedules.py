"""Supervised schedules: by hand, and what every schedule promises."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqpo.tasks.translation.schedules import ScheduleMixture, aligned, full_sentence, wait_k

lengths = st.integers(1, 12)


def test_wait_k_by_hand():
    assert wait_k(4, 3, k=2) == [0, 1, 2, 3, 3]
    assert wait_k(2, 5, k=1) == [1, 2, 5]
    assert wait_k(2, 1, k=5) == [0, 0, 1]


def test_aligned_schedules_by_hand():
    # the second unit needs all of the source, and the third cannot overtake it
    alignment = [(0, 0), (2, 1), (1, 2)]
    assert aligned(3, 3, alignment) == [1, 1, 3, 3]
    assert aligned(3, 3, alignment, lag=1) == [0, 1, 1, 3]
    # units without a link go with their predecessor; the first one with the first source unit
    assert aligned(3, 3, [(1, 1)]) == [1, 3, 3, 3]
    # of several links the last one counts
    assert aligned(3, 1, [(0, 0), (2, 0)]) == [0, 0, 1, 1]


def test_full_sentence_by_hand():
    assert full_sentence(3, 2) == [0, 0, 0, 2]


@st.composite
def pairs(draw):
    source, target = draw(lengths), draw(lengths)
    links = st.tuples(st.integers(0, source - 1), st.integers(0, target - 1))
    return source, target, draw(st.lists(links, max_size=15))


@given(pairs(), st.integers(1, 15), st.integers(0, 4))
def test_schedules_grow_and_end_complete(pair: tuple[int, int, list[tuple[int, int]]], k: int, lag: int):
    source, target, alignment = pair
    for allowed in (wait_k(source, target, k), aligned(source, target, alignment, lag), full_sentence(source, target)):
        assert len(allowed) == source + 1
        assert allowed == sorted(allowed)
        assert allowed[-1] == target
        assert allowed[0] >= 0


@given(pairs(), st.integers(0, 3))
def test_no_unit_is_written_before_what_it_is_aligned_to(pair: tuple[int, int, list[tuple[int, int]]], lag: int):
    source, target, alignment = pair
    allowed = aligned(source, target, alignment, lag)
    for needed, unit in alignment:
        for read in range(1, source + 1):
            assert allowed[read - 1] <= unit or read >= needed + 1 + lag


@given(lengths, lengths, st.integers(1, 15))
def test_wait_k_lags_by_k(source: int, target: int, k: int):
    for read, written in enumerate(wait_k(source, target, k)[:-1], start=1):
        assert written == (0 if read < k else min(target, read - k + 1))


def test_a_link_outside_the_sentence_raises():
    with pytest.raises(ValueError, match="link 3-0 lies outside a pair of 3 and 2 units"):
        aligned(3, 2, [(3, 0)])


def _drawn(mixture: ScheduleMixture, alignment: list[tuple[int, int]] | None) -> set[tuple[int, ...]]:
    rng = random.Random(0)
    return {tuple(mixture.draw(rng, 4, 4, alignment)) for _ in range(200)}


def test_a_mixture_draws_what_it_is_made_of():
    diagonal = [(i, i) for i in range(4)]
    waits = {tuple(wait_k(4, 4, k)) for k in (2, 3)}
    assert _drawn(ScheduleMixture(1.0, 0.0, 0.0, k=(2, 3)), None) == waits
    assert _drawn(ScheduleMixture(0.0, 0.0, 1.0), None) == {(0, 0, 0, 0, 4)}
    lags = {tuple(aligned(4, 4, diagonal, lag)) for lag in (0, 1)}
    assert _drawn(ScheduleMixture(0.0, 1.0, 0.0, lag=1), diagonal) == lags
    both = ScheduleMixture(0.5, 0.5, 0.0, k=(2, 3), lag=1)
    assert _drawn(both, diagonal) == waits | lags


def test_a_mixture_that_cannot_be_drawn_from_raises():
    with pytest.raises(
        ValueError, match=r"aligned schedules need word alignments: .*schedule\.align = true.*schedule\.aligned = 0"
    ):
        ScheduleMixture(0.0, 1.0, 0.0).draw(random.Random(0), 3, 3, None)
    with pytest.raises(ValueError, match="one must be positive"):
        ScheduleMixture(0.0, 0.0, 0.0)
    with pytest.raises(ValueError, match="must not be negative, and"):
        ScheduleMixture(-1.0, 1.0, 1.0)
    with pytest.raises(ValueError, match=r"k must be a range from 1 or more, smallest first, got \(3, 2\)"):
        ScheduleMixture(k=(3, 2))
    with pytest.raises(ValueError, match="lag must not be negative, got -1"):
        ScheduleMixture(aligned=1.0, lag=-1)


def test_a_key_of_a_schedule_that_is_never_drawn_is_refused():
    for changes, said in (
        ({"lag": 3}, "lag = 3 would have no effect: no schedule is aligned; leave it at 2"),
        ({"align": True}, "align = True would have no effect: no schedule is aligned"),
        ({"wait_k": 0.0, "k": (2, 3)}, r"k = \(2, 3\) would have no effect: no schedule is wait-k"),
    ):
        with pytest.raises(ValueError, match=said):
            ScheduleMixture(**changes)
