"""Where to cut training sentences into segments that are translated on their own (Oda et al. 2014, P14-2090).

Both strategies choose so many boundaries that segments have a mean length of μ words, the knob of the delay, and
want the translations of the segments, one after the other, to be good: the sum of the sentences' BLEU+1. SEG1
chooses place by place (`greedy_boundaries`) and teaches a classifier to find such places; SEG2 chooses pairs of tags
and cuts at all their occurrences (`learn_pos_boundaries`). What they give are the segmenters of `segmentation_model`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from heapq import heapify, heappop, heappush
from itertools import islice, pairwise
from operator import itemgetter

from seqpo.tasks.read_write.segmentation.classifier import PosSegmenter, checked_tags
from seqpo.tasks.translation.prefix_bleu import brevity_penalty, prefix_bleu

Segment = tuple[str, ...]
Translate = Callable[[Sequence[Segment]], Sequence[Sequence[str]]]

_REMEMBERED = 1_000_000  # scores; about 200 MB


def bleu_plus_one(units: Sequence[str], reference: Sequence[str]) -> float:
    """BLEU+1 of a sentence, in [0, 1]: 1 is added to matches and n-grams for n ≥ 2 (Lin and Och 2004)."""
    return prefix_bleu([units], reference)[0] * brevity_penalty(len(units), len(reference))


class SegmentOracle:
    """Tells how good the translation of a training sentence is when its segments are translated on their own.

    A sentence of n words has n(n+1)/2 segments, or at most n · `max_length`: 3000 sentences of 15 words, 360 000 or
    fewer. Each different one is translated once, at the start. The oracle serves any number of μ and both strategies.

    Attributes:
        sentences: their words.
        references: theirs.
    """

    def __init__(
        self,
        sentences: Sequence[Sequence[str]],
        references: Sequence[Sequence[str]],
        translate: Translate,
        max_length: int | None = None,
    ) -> None:
        """Translate the segments.

        Args:
            sentences: words of every sentence, at least one.
            references: words of their translations.
            translate: gives the words of the translation of every segment; is called once.
            max_length: most words of a segment that is given to it. A longer one is translated in pieces of so many
                words (our choice, which bounds the cost: the paper has no limit).

        Raises:
            ValueError: sentences and references that don't fit together, a sentence without words, a `max_length`
                below 1, or a number of translations other than that of the segments.
        """
        if len(sentences) != len(references) or not sentences:
            raise ValueError(f"give sentences, and as many references: got {len(sentences)} and {len(references)}")
        if max_length is not None and max_length < 1:
            raise ValueError(f"max_length counts words, 1 or more, got {max_length}")
        for number, words in enumerate(sentences):
            if not words:
                raise ValueError(f"sentences[{number}] has no words: leave it out")
        self.sentences = tuple(tuple(words) for words in sentences)
        self.references = tuple(tuple(words) for words in references)
        self._longest = max_length or max(map(len, self.sentences))
        segments = list(dict.fromkeys(segment for words in self.sentences for segment in self._segments(words)))
        translations = translate(segments)
        if len(translations) != len(segments):
            raise ValueError(f"translate gave {len(translations)} translations of {len(segments)} segments")
        self._translations = dict(zip(segments, map(tuple, translations), strict=True))

    def translation(self, sentence: int, ends: Sequence[int]) -> list[str]:
        """Join the translations of the segments of a sentence.

        Args:
            sentence: its number.
            ends: positions after which a segment ends, in ascending order, the last word's among them.
        """
        words = self.sentences[sentence]
        starts = [0, *(end + 1 for end in ends[:-1])]
        return [
            unit
            for start, end in zip(starts, ends, strict=True)
            for piece in range(start, end + 1, self._longest)
            for unit in self._translations[words[piece : min(piece + self._longest, end + 1)]]
        ]

    def score(self, sentence: int, ends: Sequence[int]) -> float:
        """BLEU+1 of `translation`, against the reference of the sentence."""
        return bleu_plus_one(self.translation(sentence, ends), self.references[sentence])

    def _segments(self, words: Segment) -> Iterator[Segment]:
        for start in range(len(words)):
            for end in range(start + 1, min(start + self._longest, len(words)) + 1):
                yield words[start:end]


def boundary_count(sentences: Sequence[Sequence[str]], mu: float) -> int:
    """Count the boundaries inside sentences that make segments of μ words in the mean: ⌊words / μ⌋ − sentences.

    Raises:
        ValueError: μ is below 1, or above the mean length of the sentences.
    """
    words = sum(map(len, sentences))
    mean = words / len(sentences)
    if not 1 <= mu <= mean:
        raise ValueError(f"mu, the mean length of segments, lies between 1 and that of sentences, {mean:.4g}: got {mu}")
    return max(0, math.floor(words / mu) - len(sentences))


def greedy_boundaries(oracle: SegmentOracle, mu: float) -> tuple[tuple[int, ...], ...]:
    """Choose boundaries one by one, the best first: what SEG1's classifier learns from (*Greedy* in the paper).

    Boundaries are added to each sentence in the order that scores best, whether they gain or lose; of the next ones
    of all sentences the one with the largest gain is taken, until all are placed. Among equals the first is.

    Costs at most n²/2 scores for a sentence of n words, less where few boundaries are placed.

    Args:
        oracle: of the training sentences.
        mu: mean length of segments, in words.

    Returns:
        Per sentence the positions after which a segment ends, ascending; the last word's is always one.

    Raises:
        ValueError: as for `boundary_count`.
    """
    count = boundary_count(oracle.sentences, mu)
    chosen = [[len(words) - 1] for words in oracle.sentences]
    additions = [_additions(oracle, number) for number in range(len(chosen))]
    heap = [first for coming in additions for first in islice(coming, 1)]
    heapify(heap)
    for _ in range(count):
        _, number, position = heappop(heap)
        chosen[number].append(position)
        for following in islice(additions[number], 1):
            heappush(heap, following)
    return tuple(tuple(sorted(ends)) for ends in chosen)


def learn_pos_boundaries(
    oracle: SegmentOracle, tags: Sequence[Sequence[str]], *, mu: float, alpha: float
) -> PosSegmenter:
    """Choose pairs of tags between which all sentences are cut: SEG2 (*Greedy + DP with POS feature grouping*).

    A pair that stands at k places brings k boundaries. The best set for n boundaries is the best, over pairs, of the
    set for n − k boundaries and one pair more; it is worth Σ BLEU+1 − α · number of pairs. Where no set has exactly
    the boundaries that μ asks for, the largest number below that some set has is taken (our choice). Among equals
    the first pair in alphabetical order wins.

    The gain of every pair is known for every n, so time and memory grow with boundaries × pairs; only sentences that
    a new pair cuts are scored again. 12 000 boundaries in 3000 sentences of 12 words take some ten seconds.

    Args:
        oracle: of the training sentences.
        tags: the part of speech of every word.
        mu: mean length of segments, in words.
        alpha: what a pair costs, in sentences' BLEU+1: the larger, the fewer and more frequent the pairs.

    Raises:
        ValueError: as for `boundary_count`, a negative alpha, or tags that don't fit the words.
    """
    if alpha < 0:
        raise ValueError(f"alpha must not be negative, got {alpha}")
    count = boundary_count(oracle.sentences, mu)
    places = _Places.of(oracle, tags)
    best: list[_Selection | None] = [places.nothing()]
    for n in range(1, count + 1):
        candidates = [
            (before.score + before.gains[pair] - alpha, pair, before)
            for pair, k in enumerate(places.counts)
            if k <= n and (before := best[n - k]) is not None and pair not in before.pairs
        ]
        if candidates:
            score, pair, before = max(candidates, key=_worth)
            best.append(places.extended(before, pair, score))
        else:
            best.append(None)
    selected = next(selection for selection in reversed(best) if selection is not None)
    return PosSegmenter(frozenset(places.names[pair] for pair in selected.pairs))


def _worth(candidate: tuple[float, int, object]) -> float:
    """Round a score, so that not the order of summation decides between sets that are worth the same."""
    return round(candidate[0], 9)


def _additions(oracle: SegmentOracle, sentence: int) -> Iterator[tuple[float, int, int]]:
    """Add the best boundary to a sentence, again and again; yield (−gain, sentence, position), for a heap."""
    last = len(oracle.sentences[sentence]) - 1
    ends, score, free = [last], oracle.score(sentence, [last]), list(range(last))
    while free:
        value, position = max(((oracle.score(sentence, sorted([*ends, at])), at) for at in free), key=itemgetter(0))
        yield score - value, sentence, position
        score = value
        ends.append(position)
        free.remove(position)


@dataclass(frozen=True)
class _Selection:
    """Pairs of tags, by number: what they are worth, α paid, and how much BLEU+1 each further pair would add."""

    pairs: frozenset[int]
    score: float
    gains: list[float]


@dataclass(frozen=True)
class _Places:
    """The pairs of tags between the words of a corpus.

    Attributes:
        names: the pairs, in order of their numbers.
        counts: at how many places each stands.
        within: numbers of the pairs of a sentence.
        having: numbers of the sentences with a pair.
        score: BLEU+1 of a sentence that is cut at some of its pairs.
    """

    names: tuple[tuple[str, str], ...]
    counts: tuple[int, ...]
    within: tuple[frozenset[int], ...]
    having: tuple[tuple[int, ...], ...]
    score: Callable[[int, frozenset[int]], float]

    @classmethod
    def of(cls, oracle: SegmentOracle, tags: Sequence[Sequence[str]]) -> _Places:
        """Number the pairs, and remember scores."""
        if len(tags) != len(oracle.sentences):
            raise ValueError(f"tags of {len(tags)} sentences for {len(oracle.sentences)}: give those of every sentence")
        rows = [
            list(pairwise(checked_tags(words, own, f"sentences[{number}]")))
            for number, (words, own) in enumerate(zip(oracle.sentences, tags, strict=True))
        ]
        counts = Counter(pair for row in rows for pair in row)
        names = tuple(sorted(counts))
        numbers = {pair: number for number, pair in enumerate(names)}
        numbered = [[numbers[pair] for pair in row] for row in rows]
        having: list[list[int]] = [[] for _ in names]
        for sentence, row in enumerate(numbered):
            for pair in set(row):
                having[pair].append(sentence)

        @lru_cache(maxsize=_REMEMBERED)
        def score(sentence: int, cut: frozenset[int]) -> float:
            inner = (position for position, pair in enumerate(numbered[sentence]) if pair in cut)
            return oracle.score(sentence, [*inner, len(numbered[sentence])])

        return cls(
            names,
            tuple(counts[pair] for pair in names),
            tuple(map(frozenset, numbered)),
            tuple(map(tuple, having)),
            score,
        )

    def nothing(self) -> _Selection:
        """Select no pair."""
        whole = [self.score(sentence, frozenset()) for sentence in range(len(self.within))]
        gains = [
            math.fsum(self.score(sentence, frozenset({pair})) - whole[sentence] for sentence in sentences)
            for pair, sentences in enumerate(self.having)
        ]
        return _Selection(frozenset(), math.fsum(whole), gains)

    def extended(self, selection: _Selection, pair: int, score: float) -> _Selection:
        """Add a pair: other pairs' gains change in the sentences that it cuts."""
        pairs, gains = selection.pairs | {pair}, selection.gains.copy()
        for sentence in self.having[pair]:
            before, after = self.within[sentence] & selection.pairs, self.within[sentence] & pairs
            change = self.score(sentence, before) - self.score(sentence, after)
            for other in self.within[sentence] - after:
                gains[other] += change + self.score(sentence, after | {other}) - self.score(sentence, before | {other})
        return _Selection(pairs, score, gains)
