"""Segmentation strategies: boundaries by hand and by brute force, what the segmenters learn, and their files."""

from __future__ import annotations

import math
import random
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqpo.tasks.read_write.segmentation.boundaries import (
    SegmentOracle,
    bleu_plus_one,
    boundary_count,
    greedy_boundaries,
    learn_pos_boundaries,
)
from seqpo.tasks.read_write.segmentation.classifier import (
    LinearSegmenter,
    PosSegmenter,
    tag,
    train_classifier,
)

few = settings(max_examples=60, deadline=None)
Sentences = list[list[str]]
Translate = Callable[[Sequence[tuple[str, ...]]], list[tuple[str, ...]]]

PHRASES = {
    "ich sehe": "i see",
    "den hund": "the dog",
    "heute": "today",
    "regnet es": "it rains",
    "er kommt": "he comes",
    "und geht": "and goes",
    "er kommt und geht": "he comes and goes",
}
SOURCES = [text.split() for text in ("ich sehe den hund", "heute regnet es", "er kommt und geht")]
REFERENCES = [text.split() for text in ("i see the dog", "today it rains", "he comes and goes")]


def _table(phrases: dict[str, str]) -> Translate:
    """A translator that knows phrases, and nothing else."""
    return lambda segments: [tuple(phrases.get(" ".join(segment), "?").split()) for segment in segments]


def _oracle(sources: Sequence[str], references: Sequence[str], phrases: dict[str, str]) -> SegmentOracle:
    return SegmentOracle([text.split() for text in sources], [text.split() for text in references], _table(phrases))


@pytest.fixture
def oracle() -> SegmentOracle:
    return SegmentOracle(SOURCES, REFERENCES, _table(PHRASES))


def test_bleu_plus_one_by_hand():
    assert bleu_plus_one(["U", "V", "W", "Q"], ["U", "V", "W", "X"]) == pytest.approx(
        (3 / 4 * 3 / 4 * 2 / 3 * 1 / 2) ** 0.25
    )
    assert bleu_plus_one(["U", "V"], ["U", "V", "W", "X"]) == pytest.approx(math.exp(-1))
    assert bleu_plus_one([], ["U"]) == bleu_plus_one(["Q"], ["U"]) == 0


def test_the_number_of_boundaries_by_hand():
    # 11 words in 3 sentences
    assert [boundary_count(SOURCES, mu) for mu in (1, 1.8, 2.1, 11 / 3)] == [8, 3, 2, 0]


def test_every_different_segment_is_translated_once():
    calls: list[list[tuple[str, ...]]] = []

    def translate(segments: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
        calls.append(list(segments))
        return [(f"<{' '.join(segment)}>",) for segment in segments]

    oracle = SegmentOracle([["a", "b", "c"], ["b", "c"]], [["x"], ["y"]], translate)
    assert [sorted(call) for call in calls] == [
        [("a",), ("a", "b"), ("a", "b", "c"), ("b",), ("b", "c"), ("c",)],
    ]
    assert oracle.translation(0, (0, 2)) == ["<a>", "<b c>"]
    bounded = SegmentOracle([["a", "b", "c", "d", "e"]], [["x"]], translate, max_length=2)
    assert max(map(len, calls[1])) == 2
    assert bounded.translation(0, (2, 4)) == ["<a b>", "<c>", "<d e>"]


def test_greedy_boundaries_by_hand(oracle: SegmentOracle):
    assert greedy_boundaries(oracle, 11 / 3) == ((3,), (2,), (3,))
    assert greedy_boundaries(oracle, 2.1) == ((1, 3), (0, 2), (3,))  # the third is right as a whole
    assert greedy_boundaries(oracle, 1.8) == ((1, 3), (0, 2), (1, 3))  # and loses nothing in two
    assert greedy_boundaries(oracle, 1) == ((0, 1, 2, 3), (0, 1, 2), (0, 1, 2, 3))


def test_a_gain_counts_only_when_it_comes_next():
    # "a b c" gains most, but with its second boundary; "d e" gains less, and at once
    oracle = _oracle(["a b c", "d e"], ["A B C", "D E"], {"a": "A", "b": "B", "c": "C", "a b": "Q", "d": "D", "e": "Q"})
    first = oracle.score(0, [0, 2]), oracle.score(1, [0, 1])
    assert oracle.score(0, [0, 1, 2]) == 1 > first[1] > first[0] > 0
    assert greedy_boundaries(oracle, 1.6) == ((2,), (0, 1))


@st.composite
def corpora(draw: st.DrawFn) -> tuple[SegmentOracle, Sentences]:
    """A few sentences, tags, and a translator that translates a segment at random, but always the same."""
    lengths = draw(st.lists(st.integers(1, 5), min_size=1, max_size=3))
    seed = draw(st.integers(0, 10_000))
    rng = random.Random(seed)
    sentences = [rng.choices("pqrs", k=length) for length in lengths]
    references = [rng.choices("abc", k=length) for length in lengths]
    tags = [rng.choices("NV", k=length) for length in lengths]

    def translate(segments: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
        return [tuple(random.Random(f"{seed} {segment}").choices("abc", k=len(segment))) for segment in segments]

    return SegmentOracle(sentences, references, translate), tags


def _mu(oracle: SegmentOracle, count: int) -> float:
    """A mean length of segments that asks for so many boundaries, not more nor less by rounding."""
    words, segments = sum(map(len, oracle.sentences)), len(oracle.sentences) + count
    return max(1.0, words / segments - 1e-9)


def _room(oracle: SegmentOracle) -> int:
    return sum(len(words) - 1 for words in oracle.sentences)


@few
@given(corpora(), st.data())
def test_greedy_boundaries_are_the_best_next_ones_of_the_whole_corpus(
    corpus: tuple[SegmentOracle, Sentences], data: st.DataObject
):
    oracle, _ = corpus
    count = data.draw(st.integers(0, _room(oracle)))
    naive = [[len(words) - 1] for words in oracle.sentences]
    for _ in range(count):
        gains = {
            (number, at): oracle.score(number, sorted([*ends, at])) - oracle.score(number, ends)
            for number, ends in enumerate(naive)
            for at in range(ends[-1])
            if at not in ends
        }
        number, at = max(gains, key=lambda place: gains[place])
        naive[number] = sorted([*naive[number], at])
    found = greedy_boundaries(oracle, _mu(oracle, count))
    assert sum(len(ends) - 1 for ends in found) == count
    assert found == tuple(map(tuple, naive))


def _value(oracle: SegmentOracle, tags: Sentences, pairs: frozenset[tuple[str, str]], alpha: float) -> float:
    """What a set of pairs is worth, every sentence scored anew."""
    segmenter = PosSegmenter(pairs)
    ends = [segmenter.boundaries(words, own) for words, own in zip(oracle.sentences, tags, strict=True)]
    return sum(oracle.score(number, own) for number, own in enumerate(ends)) - alpha * len(pairs)


@few
@given(corpora(), st.data(), st.sampled_from([0.0, 0.1, 0.7]))
def test_pos_boundaries_are_the_recursion_and_no_better_than_the_best_set(
    corpus: tuple[SegmentOracle, Sentences], data: st.DataObject, alpha: float
):
    oracle, tags = corpus
    count = data.draw(st.integers(0, _room(oracle)))
    occurrences = Counter(pair for own in tags for pair in pairwise(own))
    best: dict[int, frozenset[tuple[str, str]]] = {0: frozenset()}
    for n in range(1, count + 1):
        candidates = [
            best[n - k] | {pair} for pair, k in sorted(occurrences.items()) if n - k in best and pair not in best[n - k]
        ]
        if candidates:
            best[n] = max(candidates, key=lambda pairs: round(_value(oracle, tags, pairs, alpha), 9))
    found = learn_pos_boundaries(oracle, tags, mu=_mu(oracle, count), alpha=alpha).pairs
    assert found == best[max(best)]
    sets = [frozenset(some) for size in range(len(occurrences) + 1) for some in combinations(occurrences, size)]
    rivals = [some for some in sets if sum(occurrences[pair] for pair in some) == max(best)]
    assert found in rivals
    assert _value(oracle, tags, found, alpha) <= max(_value(oracle, tags, some, alpha) for some in rivals)


def test_pos_boundaries_by_hand():
    # cut before the last word both sentences are right, with two pairs; cut after the first, 0.66 each, with one
    phrases = {"u v": "U V W", "x": "X", "y": "Y", "u": "U", "v x": "V W Q", "v y": "V W Q"}
    oracle = _oracle(["u v x", "u v y"], ["U V W X", "U V W Y"], phrases)
    tags = ["ABC", "ABD"]
    for alpha, pairs in ((0, {("B", "C"), ("B", "D")}), (0.6, {("B", "C"), ("B", "D")}), (0.8, {("A", "B")})):
        assert learn_pos_boundaries(oracle, tags, mu=1.5, alpha=alpha) == PosSegmenter(frozenset(pairs))


def test_where_no_set_has_the_number_fewer_boundaries_are_taken():
    oracle = _oracle(["a b", "c d"], ["x", "y"], {})
    assert learn_pos_boundaries(oracle, ["NV", "NV"], mu=1.3, alpha=0) == PosSegmenter(frozenset())
    assert learn_pos_boundaries(oracle, ["NV", "NV"], mu=1, alpha=0) == PosSegmenter(frozenset({("N", "V")}))


def test_a_pos_segmenter_cuts_at_every_selected_pair():
    segmenter = PosSegmenter(frozenset({("N", "V"), (",", "N")}))
    assert segmenter.boundaries(["a", "b", "c", "d", "e", "f"], ["N", "V", ",", "N", "N", "V"]) == (0, 2, 4, 5)
    assert segmenter.boundaries(["a"], ["N"]) == (0,)
    assert segmenter.boundaries([], []) == ()


def _sentences(rng: random.Random, vocabulary: str, mark: str) -> list[list[str]]:
    return [rng.choices([*vocabulary, mark], k=9) for _ in range(60)]


def _after(sentences: Sentences, mark: str) -> list[tuple[int, ...]]:
    return [(*(at for at, word in enumerate(words[:-1]) if word == mark), len(words) - 1) for words in sentences]


def test_the_classifier_learns_a_rule_of_words_and_finds_it_in_unseen_text():
    rng = random.Random(0)
    seen, unseen = _sentences(rng, "abcde", ","), _sentences(rng, "fghij", ",")
    segmenter = train_classifier(seen, None, _after(seen, ","))
    assert [segmenter.boundaries(words) for words in seen] == _after(seen, ",")
    assert [segmenter.boundaries(words) for words in unseen] == _after(unseen, ",")


def test_the_classifier_learns_a_rule_of_tags():
    rng = random.Random(1)
    tags = _sentences(rng, "NVA", "C")
    seen, unseen = ([[f"{prefix}{rng.random()}" for _ in own] for own in tags] for prefix in "ab")
    segmenter = train_classifier(seen, tags, _after(tags, "C"))
    assert [segmenter.boundaries(words, own) for words, own in zip(unseen, tags, strict=True)] == _after(tags, "C")


def test_the_classifier_keeps_the_mean_length_where_it_cannot_keep_the_boundaries():
    rng = random.Random(2)
    sentences = [[f"w{rng.random()}", *rng.choices("abc", k=8), f"w{rng.random()}"] for _ in range(80)]
    noise = [tuple(sorted({*rng.sample(range(9), 2), 9})) for _ in sentences]
    segmenter = train_classifier(sentences, None, noise, cost=0.01)
    found = [segmenter.boundaries(words) for words in sentences]
    assert sum(map(len, found)) == pytest.approx(sum(map(len, noise)), abs=2)


def test_equal_places_are_all_cut_or_none():
    twice = train_classifier([["a", "b"]] * 3, None, [(0, 1), (0, 1), (1,)])
    assert twice.boundaries(["a", "b"]) == (0, 1)
    once = train_classifier([["a", "b"]] * 3, None, [(0, 1), (1,), (1,)])
    assert once.boundaries(["a", "b"]) == (1,)


@pytest.mark.parametrize("cost", [0.1, 1, 10])
def test_the_weights_are_those_of_penalized_logistic_regression(cost: float):
    # Of the nine n-grams around "a|b" seven aren't around "c|d": w = cost · σ(−7w) there, −w for those of "c|d",
    # and 0 for the empty words before and after, which both have.
    segmenter = train_classifier([["a", "b"], ["c", "d"]], None, [(0, 1), (1,)], cost=cost)
    weights = sorted(segmenter.weights.values())
    assert len(weights) == 16
    assert weights[7:9] == pytest.approx([0, 0], abs=1e-5)
    for weight in weights[9:]:
        assert weight == pytest.approx(cost / (1 + math.exp(7 * weight)), abs=1e-5)
    assert weights[:7] == pytest.approx([-weight for weight in weights[9:]], abs=1e-5)
    assert segmenter.threshold == pytest.approx(0, abs=1e-4)


def test_what_an_oracle_cannot_use_is_told():
    known = _table({})
    with pytest.raises(ValueError, match="as many references: got 1 and 2"):
        SegmentOracle([["a"]], [["x"], ["y"]], known)
    with pytest.raises(ValueError, match="got 0 and 0"):
        SegmentOracle([], [], known)
    with pytest.raises(ValueError, match=r"sentences\[1\] has no words"):
        SegmentOracle([["a"], []], [["x"], ["y"]], known)
    with pytest.raises(ValueError, match="max_length counts words, 1 or more, got 0"):
        SegmentOracle([["a"]], [["x"]], known, max_length=0)
    with pytest.raises(ValueError, match="translate gave 0 translations of 1 segments"):
        SegmentOracle([["a"]], [["x"]], lambda _: [])


def test_bad_values_are_told(oracle: SegmentOracle):
    with pytest.raises(ValueError, match=r"between 1 and that of sentences, 3\.667: got 4"):
        greedy_boundaries(oracle, 4)
    with pytest.raises(ValueError, match=r"got 0\.5"):
        greedy_boundaries(oracle, 0.5)
    with pytest.raises(ValueError, match="alpha must not be negative"):
        learn_pos_boundaries(oracle, ["NVAN", "AVN", "NVCV"], mu=2, alpha=-1)
    with pytest.raises(ValueError, match="tags of 1 sentences for 3"):
        learn_pos_boundaries(oracle, ["NVAN"], mu=2, alpha=0)
    with pytest.raises(ValueError, match=r"sentences\[1\] has 3 words, but 2 tags: give one a word"):
        learn_pos_boundaries(oracle, ["NVAN", "AV", "NVCV"], mu=2, alpha=0)


def test_what_cannot_be_learned_from_is_told():
    with pytest.raises(ValueError, match="cost must be positive, got 0"):
        train_classifier([["a", "b"]], None, [(1,)], cost=0)
    with pytest.raises(ValueError, match="1 sentences need as many lists of boundaries"):
        train_classifier([["a", "b"]], None, [])
    with pytest.raises(ValueError, match=r"sentences\[0\] has 2 words, but boundaries after \[2\]"):
        train_classifier([["a", "b"]], None, [(2,)])
    with pytest.raises(ValueError, match="no sentence has two words"):
        train_classifier([["a"]], None, [(0,)])


def test_segmenters_that_need_tags_say_so():
    linear = LinearSegmenter({}, 0.0, tagged=True)
    for segmenter in (linear, PosSegmenter(frozenset())):
        with pytest.raises(ValueError, match="the sentence has no part-of-speech tags"):
            segmenter.boundaries(["a", "b"])
        with pytest.raises(ValueError, match="the sentence has 2 words, but 1 tags"):
            segmenter.boundaries(["a", "b"], ["N"])


def test_german_words_are_tagged():
    pytest.importorskip("HanTa", reason="HanTa is an extra: pip install 'seqpo[pos]'")
    assert tag([["der", "Hund", "schläft", "."], []], "de") == [("ART", "NN", "VV(FIN)", "$."), ()]


def test_without_a_tagger_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(ValueError, match="HanTa tags de, en, nl, not 'ru': give the tags"):
        tag([["а"]], "ru")
    monkeypatch.setitem(sys.modules, "HanTa.HanoverTagger", None)
    with pytest.raises(ModuleNotFoundError, match=r"part-of-speech tags need HanTa: pip install 'seqpo\[pos\]'"):
        tag([["a"]], "de")
