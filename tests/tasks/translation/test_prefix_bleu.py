"""BLEU of prefixes: by hand, as sacrebleu has it, and as the formulas say without any bookkeeping."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import accumulate
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu import sentence_bleu

from seqpo.tasks.translation.prefix_bleu import SMOOTHINGS, Smoothing, brevity_penalty, prefix_bleu

few = settings(max_examples=150, deadline=None)

words = st.sampled_from(["a", "b", "c", "d"])
texts = st.lists(st.lists(words, max_size=4), max_size=6)
references = st.lists(words, min_size=1, max_size=9)


def test_one_piece_after_the_other_by_hand():
    scores = prefix_bleu([["a"], [], ["b", "x"], ["b"]], ["a", "b", "c", "b"])
    assert scores[0] == 1  # 1/1; the longer n-grams that there are not: (0+1)/(0+1)
    assert scores[1] == 1  # nothing was added
    # a b x: 2/3, (1+1)/(2+1), (0+1)/(1+1), 1
    assert scores[2] == pytest.approx((2 / 3 * 2 / 3 * 1 / 2) ** 0.25)
    # a b x b: 3/4, (1+1)/(3+1), (0+1)/(2+1), (0+1)/(1+1)
    assert scores[3] == pytest.approx((3 / 4 * 2 / 4 * 1 / 3 * 1 / 2) ** 0.25)


def test_method5_by_hand():
    # p = 2/3, 1/2, 0, 0, 0 and p₀ = 5/3; each becomes the mean of the new one before, itself and the one after
    first = (5 / 3 + 2 / 3 + 1 / 2) / 3
    second = (first + 1 / 2 + 0) / 3
    third = (second + 0 + 0) / 3
    scores = prefix_bleu([["a", "b", "x"]], ["a", "b", "c", "b"], "method5")
    assert scores == pytest.approx([(first * second * third * third / 3) ** 0.25])


@pytest.mark.parametrize("smoothing", SMOOTHINGS)
def test_without_a_shared_unit_there_is_no_score(smoothing: Smoothing):
    assert prefix_bleu([[], ["x"], ["y", "x"]], ["a", "b"], smoothing) == [0, 0, 0]
    assert prefix_bleu([], ["a"], smoothing) == []


def test_a_unit_of_the_reference_matches_once():
    # a a a: 1/3, (0+1)/(2+1), (0+1)/(1+1), 1
    assert prefix_bleu([["a", "a", "a"]], ["a", "b"]) == pytest.approx([(1 / 3 * 1 / 3 * 1 / 2) ** 0.25])


def test_brevity_by_hand():
    assert brevity_penalty(4, 4) == brevity_penalty(5, 4) == 1
    assert brevity_penalty(2, 4) == pytest.approx(math.exp(-1))
    assert brevity_penalty(0, 4) == 0


@few
@given(texts, references)
def test_every_prefix_has_sacrebleus_score(pieces: list[list[str]], reference: list[str]):
    for prefix, score in zip(accumulate(pieces), prefix_bleu(pieces, reference), strict=True):
        text = " ".join(prefix)
        expected = sentence_bleu(
            text,
            [" ".join(reference)],
            smooth_method="add-k",
            smooth_value=1,
            tokenize="none",
            use_effective_order=False,
        )
        assert 100 * score * brevity_penalty(len(prefix), len(reference)) == pytest.approx(expected.score, abs=1e-9)


def _precision(text: list[str], reference: list[str], n: int) -> Fraction:
    """Modified n-gram precision, each n-gram looked up in the whole of both texts."""
    mine, theirs = ([tuple(t[i : i + n]) for i in range(len(t) - n + 1)] for t in (text, reference))
    return Fraction(sum(min(mine.count(g), theirs.count(g)) for g in set(mine)), max(1, len(mine)))


@few
@given(texts, references)
def test_method5_is_its_recursion(pieces: list[list[str]], reference: list[str]):
    for prefix, score in zip(accumulate(pieces), prefix_bleu(pieces, reference, "method5"), strict=True):
        plain = [_precision(prefix, reference, n) for n in range(1, 6)]
        before, product = plain[0] + 1, Fraction(1)
        for n in range(4):
            before = (before + plain[n] + plain[n + 1]) / 3
            product *= before
        assert score == pytest.approx(float(product) ** 0.25 if plain[0] else 0.0, rel=1e-9)


@few
@given(texts, references, st.sampled_from(SMOOTHINGS))
def test_how_a_text_was_cut_changes_no_score(pieces: list[list[str]], reference: list[str], smoothing: Smoothing):
    singly = prefix_bleu([[unit] for piece in pieces for unit in piece], reference, smoothing)
    ends = accumulate(map(len, pieces))
    assert prefix_bleu(pieces, reference, smoothing) == [singly[end - 1] if end else 0.0 for end in ends]


def test_an_unknown_smoothing_is_refused():
    unknown: Any = "floor"
    with pytest.raises(ValueError, match="unknown smoothing 'floor': choose one of add-one, method5"):
        prefix_bleu([["a"]], ["a"], unknown)
