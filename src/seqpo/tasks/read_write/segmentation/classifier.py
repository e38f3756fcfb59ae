"""Segmenters, which cut a sentence into segments that are translated on their own (Oda et al. 2014).

The places where training sentences should be cut, from which they learn, are found in `boundaries`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

_LONGEST_NGRAM = 3
_HANTA_MODELS = {"de": "morphmodel_ger.pgz", "en": "morphmodel_en.pgz", "nl": "morphmodel_dutch.pgz"}


class Segmenter(Protocol):
    """What cuts a sentence into segments."""

    def boundaries(self, words: Sequence[str], tags: Sequence[str] | None = None) -> tuple[int, ...]:
        """Return the positions of the words, from 0, after which a segment ends; the last word's is always one.

        Args:
            words: a whole sentence; one without words has no boundaries.
            tags: the part of speech of every word.

        Raises:
            ValueError: tags are needed and missing, or are not as many as the words.
        """
        ...


@dataclass(frozen=True)
class LinearSegmenter:
    """SEG1's segmenter: cuts after a word where the weights of the n-grams around it sum to the threshold or more.

    The n-grams are of one to three words, and as many tags, among the word before, this one and the two that follow.
    So a reader knows of a boundary only after two words more.

    Attributes:
        weights: of n-grams; those not in it weigh nothing.
        threshold: the least sum of a boundary.
        tagged: whether some of the n-grams are of tags.
    """

    weights: Mapping[str, float]
    threshold: float
    tagged: bool

    def boundaries(self, words: Sequence[str], tags: Sequence[str] | None = None) -> tuple[int, ...]:
        """Return the positions after which a segment ends, as a `Segmenter` does."""
        scores = self.scores(words, tags)
        inner = (position for position, score in enumerate(scores) if score >= self.threshold)
        return (*inner, len(words) - 1) if words else ()

    def scores(self, words: Sequence[str], tags: Sequence[str] | None = None) -> list[float]:
        """Sum the weights around every word but the last.

        Raises:
            ValueError: as for `boundaries`.
        """
        used = checked_tags(words, tags) if self.tagged else None
        return [
            sum(self.weights.get(feature, 0.0) for feature in _features(words, used, position))
            for position in range(len(words) - 1)
        ]


@dataclass(frozen=True)
class PosSegmenter:
    """SEG2's segmenter: cuts between two words wherever their tags are a pair that was selected.

    Attributes:
        pairs: the tags left and right of a boundary.
    """

    pairs: frozenset[tuple[str, str]]

    def boundaries(self, words: Sequence[str], tags: Sequence[str] | None = None) -> tuple[int, ...]:
        """Return the positions after which a segment ends, as a `Segmenter` does."""
        tags = checked_tags(words, tags)
        inner = (position for position, pair in enumerate(pairwise(tags)) if pair in self.pairs)
        return (*inner, len(words) - 1) if words else ()


def train_classifier(
    sentences: Sequence[Sequence[str]],
    tags: Sequence[Sequence[str]] | None,
    boundaries: Sequence[Sequence[int]],
    *,
    cost: float = 1.0,
) -> LinearSegmenter:
    """Learn SEG1's boundaries: logistic regression with an L2 penalty on n-grams.

    The threshold keeps the number of boundaries in these sentences, and so the mean length of their segments, unless
    places with equal weights stand in the way. The loss is that of LIBLINEAR, the authors' tool:
    ½‖w‖² + cost · Σ log-losses.

    Args:
        sentences: words of every sentence.
        tags: the part of speech of every word; None learns from words alone.
        boundaries: of every sentence, as `segmentation.greedy_boundaries` gives them.
        cost: weight of the losses against the penalty; the authors' isn't known, 1 is LIBLINEAR's default.

    Raises:
        ValueError: sentences, tags and boundaries that don't fit together, no sentence of two words, or a cost that
            isn't positive.
    """
    if cost <= 0:
        raise ValueError(f"cost must be positive, got {cost}")
    found, labels = _examples(sentences, tags, boundaries)
    if not labels:
        raise ValueError("no sentence has two words: there is no place to learn from")
    names = {name: number for number, name in enumerate(dict.fromkeys(name for row in found for name in row))}
    values = _regress([[names[name] for name in row] for row in found], labels, len(names), cost)
    draft = LinearSegmenter(dict(zip(names, values, strict=True)), 0.0, tags is not None)
    scores = [
        score
        for number, words in enumerate(sentences)
        for score in draft.scores(words, None if tags is None else tags[number])
    ]
    return LinearSegmenter(draft.weights, _threshold(scores, sum(labels)), draft.tagged)


def tag(sentences: Sequence[Sequence[str]], language: str) -> list[tuple[str, ...]]:
    """Tag the words of sentences with their parts of speech, by HanTa.

    The tagger sees whole sentences, later words too.

    Args:
        sentences: words of every sentence, punctuation marks apart.
        language: "de" (STTS tags), "en" or "nl".

    Raises:
        ModuleNotFoundError: HanTa isn't installed.
        ValueError: it has no model of the language.
    """
    if language not in _HANTA_MODELS:
        known = ", ".join(_HANTA_MODELS)
        raise ValueError(f"HanTa tags {known}, not {language!r}: give the tags of the sentences yourself")
    try:
        from HanTa.HanoverTagger import HanoverTagger
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("part-of-speech tags need HanTa: pip install 'seqpo[pos]'", name="HanTa") from error
    tagger = HanoverTagger(_HANTA_MODELS[language])
    return [tuple(tagger.tag_sent(list(words), taglevel=0)) for words in sentences]


def checked_tags(words: Sequence[str], tags: Sequence[str] | None, name: str = "the sentence") -> Sequence[str]:
    """Return the tags of a sentence, which errors call `name`.

    Raises:
        ValueError: there are none, or not as many as words.
    """
    if tags is None:
        raise ValueError(f"{name} has no part-of-speech tags, from which this segmenter learned: give them")
    if len(tags) != len(words):
        raise ValueError(f"{name} has {len(words)} words, but {len(tags)} tags: give one a word")
    return tags


def _features(words: Sequence[str], tags: Sequence[str] | None, position: int) -> Iterator[str]:
    """Name the n-grams at offsets −1 … +2 from a word: `word+0 a b` begins at the word itself."""
    for kind, units in (("word", words), ("tag", tags)):
        if units is None:
            continue
        # the empty word stands before and after the sentence
        window = [units[at] if 0 <= at < len(units) else "" for at in range(position - 1, position + 3)]
        for n in range(1, _LONGEST_NGRAM + 1):
            for start in range(len(window) - n + 1):
                yield f"{kind}{start - 1:+d} {' '.join(window[start : start + n])}"


def _examples(
    sentences: Sequence[Sequence[str]], tags: Sequence[Sequence[str]] | None, boundaries: Sequence[Sequence[int]]
) -> tuple[list[list[str]], list[bool]]:
    """Return features and label of every place between two words."""
    if len(boundaries) != len(sentences) or (tags is not None and len(tags) != len(sentences)):
        raise ValueError(f"{len(sentences)} sentences need as many lists of boundaries, and of tags if any")
    features: list[list[str]] = []
    labels: list[bool] = []
    for number, (words, ends) in enumerate(zip(sentences, boundaries, strict=True)):
        if any(not 0 <= end < len(words) for end in ends):
            raise ValueError(f"sentences[{number}] has {len(words)} words, but boundaries after {list(ends)}")
        own = None if tags is None else checked_tags(words, tags[number], f"sentences[{number}]")
        for position in range(len(words) - 1):
            features.append(list(_features(words, own, position)))
            labels.append(position in ends)
    return features, labels


def _regress(rows: list[list[int]], labels: list[bool], count: int, cost: float) -> list[float]:
    """Fit the weights of binary features, of which every example has equally many; the bias isn't penalized."""
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits as log_loss

    active, targets = torch.tensor(rows), torch.tensor(labels, dtype=torch.float64)
    weights = torch.zeros(count, dtype=torch.float64, requires_grad=True)
    bias = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights, bias], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        scores = weights[active].sum(1) + bias
        loss = weights.square().sum() / 2 + cost * log_loss(scores, targets, reduction="sum")
        loss.backward()
        return loss

    optimizer.step(closure)
    fitted: list[float] = weights.tolist()
    return fitted


def _threshold(scores: Sequence[float], count: int) -> float:
    """Return a number that `count` of the scores reach, or as nearly so many as equal scores allow."""
    ordered = sorted(scores, reverse=True)
    ordered = [ordered[0] + 1, *ordered, ordered[-1] - 1]
    gaps = [reached for reached in range(len(scores) + 1) if ordered[reached] > ordered[reached + 1]]
    reached = min(gaps, key=lambda gap: abs(gap - count))
    return (ordered[reached] + ordered[reached + 1]) / 2
