"""What translations are measured by: corpus quality, mean latency, and waits before verbs."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from seqpo.evaluation.statistics import Measure, Metric, Statistic, TestSet, per_example, section
from seqpo.tasks.translation.corpora import Pair
from seqpo.tasks.translation.latency import LATENCY, consecutive_waits
from seqpo.tasks.translation.quality import tokenizer_for
from seqpo.tasks.translation.traces import Trace
from seqpo.tasks.translation.units import split

if TYPE_CHECKING:
    from sacrebleu.metrics.base import Metric as CorpusMetric


@dataclass(frozen=True)
class TestSentences(TestSet):
    """Sentences to be translated; the outcome of each is a `Trace`.

    Attributes:
        language: of the targets, such as "de"; it chooses BLEU's tokenizer.
    """

    examples: Sequence[Pair]
    language: str = field(kw_only=True)


def verb_waits(traces: Sequence[Trace], pairs: Sequence[Pair]) -> tuple[float, float] | None:
    """Mean wait before clause-final verbs, and before all other words, in source units.

    The wait before a written unit is the number of source units read since the unit before it was written;
    the first unit of a sentence has none. A reference unit that translates a clause-final verb
    (`Pair.verbs`) is looked up among the written units, ignoring case and outer punctuation: the occurrence
    nearest to its place in the reference is the verb. Verbs that were not written count nowhere.

    Returns:
        (mean wait before verbs, mean wait before the others), or None when either kind is missing.

    Raises:
        ValueError: for unequal numbers of traces and pairs, or a verb link beyond the end of its target.
    """
    if len(traces) != len(pairs):
        raise ValueError(f"{len(traces)} traces but {len(pairs)} pairs: give one pair per trace")
    verbs: list[int] = []
    others: list[int] = []
    for trace, pair in zip(traces, pairs, strict=True):
        places = _verb_places(trace, pair)
        for place, (before, delay) in enumerate(pairwise(trace.delays), start=1):
            (verbs if place in places else others).append(delay - before)
    if not verbs or not others:
        return None
    return float(np.mean(verbs)), float(np.mean(others))


def _verb_places(trace: Trace, pair: Pair) -> set[int]:
    """Where the written units hold the translations of the pair's clause-final verbs."""
    written = [_bare(unit) for unit in trace.units]
    reference = [_bare(unit) for unit in split(pair.target, trace.unit)]
    places: set[int] = set()
    for _, target in pair.verbs:
        if not 0 <= target < len(reference):
            raise ValueError(f"a verb links to unit {target} of {pair.target!r}, which has {len(reference)}")
        found = [place for place, unit in enumerate(written) if unit and unit == reference[target]]
        if found:
            places.add(min(found, key=lambda place: abs(place - target)))
    return places


def _bare(unit: str) -> str:
    return re.sub(r"^\W+|\W+$", "", unit).casefold()


def _check(traces: Sequence[Trace], data: TestSentences) -> None:
    """Refuse what can't be scored or averaged."""
    if len(traces) != len(data.examples):
        raise ValueError(f"{len(traces)} traces but {len(data.examples)} sentences: give one for each")
    units = sorted({trace.unit for trace in traces})
    if len(units) > 1:
        raise ValueError(f"traces counted in {' and '.join(units)} cannot be averaged: choose one unit")
    for number, (trace, pair) in enumerate(zip(traces, data.examples, strict=True), start=1):
        if not trace.source or not pair.target.strip():
            side = "reference" if trace.source else "source"
            raise ValueError(f"sentence {number} has an empty {side}: remove the sentence")


def _quality(make: Callable[[str], CorpusMetric]) -> Measure:
    """Corpus quality by a metric of sacreBLEU, which is made for a language."""

    def measure(traces: Sequence[Trace], data: TestSentences) -> Statistic:
        _check(traces, data)
        scorer = make(data.language)
        texts, references = [trace.text for trace in traces], [pair.target for pair in data.examples]
        # The steps of sacreBLEU's own `corpus_score`, taken apart: the bootstrap needs what lies between them.
        statistics = np.array(scorer._extract_corpus_statistics(texts, [references]), dtype=np.float64)
        name = scorer._compute_score_from_stats(statistics.sum(axis=0).tolist()).name
        return Statistic(
            statistics,
            lambda total: float(scorer._compute_score_from_stats(total.tolist()).score),
            signature=f"{name}|{scorer.get_signature().format()}",
        )

    return measure


def _bleu(language: str) -> CorpusMetric:
    from sacrebleu.metrics.bleu import BLEU

    return BLEU(tokenize=tokenizer_for(language))


def _chrf(language: str) -> CorpusMetric:
    from sacrebleu.metrics.chrf import CHRF

    return CHRF()


def _latency(lag: Callable[[Trace, Pair], float]) -> Measure:
    """The mean of a lag over the sentences; the signature says whose length each lag takes for the target."""

    def measure(traces: Sequence[Trace], data: TestSentences) -> Statistic | float | None:
        _check(traces, data)
        lengths = {"unit": traces[0].unit, "al": "ref", "laal": "max", "ap": "ref", "dal": "hyp"}
        return per_example(lag, section("latency", lengths))(traces, data)

    return measure


def _lag(name: str) -> Callable[[Trace, Pair], float]:
    return lambda trace, pair: LATENCY[name](trace, len(split(pair.target, trace.unit)))


def _cw_mean(trace: Trace, pair: Pair) -> float:
    return consecutive_waits(trace.read_runs)[0]


def _cw_max(trace: Trace, pair: Pair) -> float:
    return consecutive_waits(trace.read_runs)[1]


def _al_std(traces: Sequence[Trace], data: TestSentences) -> float:
    _check(traces, data)
    lags = per_example(_lag("al"))(traces, data)
    assert isinstance(lags, Statistic)
    return float(lags.values.std())


def _waits(traces: Sequence[Trace], data: TestSentences) -> float:
    return float(np.mean([trace.waits for trace in traces]))


def _empty(traces: Sequence[Trace], data: TestSentences) -> float:
    return float(sum(not trace.units for trace in traces))


def _verb_wait(kind: int) -> Measure:
    """One of the two of `verb_waits`."""

    def measure(traces: Sequence[Trace], data: TestSentences) -> float | None:
        found = verb_waits(traces, data.examples)
        return found[kind] if found else None

    return measure


_SOURCE = "source units"

METRICS: tuple[Metric, ...] = (
    Metric("bleu", "BLEU", "higher", 1, "%", "quality", measure=_quality(_bleu), compared=True),
    Metric("chrf", "chrF", "higher", 1, "%", "quality", measure=_quality(_chrf), compared=True),
    Metric("al", "AL", "lower", 2, _SOURCE, "cost", measure=_latency(_lag("al")), compared=True),
    Metric("laal", "LAAL", "lower", 2, _SOURCE, measure=_latency(_lag("laal"))),
    Metric("ap", "AP", "lower", 2, "share of the source", "cost", measure=_latency(_lag("ap"))),
    Metric("cw_mean", "CW mean", "lower", 2, _SOURCE, measure=_latency(_cw_mean)),
    Metric("verb_wait", "wait before verbs", "", 2, _SOURCE, measure=_verb_wait(0)),
    Metric("other_wait", "before others", "", 2, _SOURCE, measure=_verb_wait(1)),
    Metric("dal", "DAL", "lower", 2, _SOURCE, measure=_latency(_lag("dal"))),
    Metric("cw_max", "CW max", "lower", 2, _SOURCE, measure=_latency(_cw_max)),
    Metric("al_std", "AL std", "", 2, _SOURCE, measure=_al_std),
    Metric("waits", "waits", "", 1, "turns", measure=_waits),
    Metric("empty", "empty", "", 0, "sentences", measure=_empty),
)
"""The scores of translations, the most important first.

Latencies are means over the sentences, of single ones as in `latency`. `al_std` tells how AL varies from sentence to
sentence, `verb_wait` and `other_wait` are those of `verb_waits`, `waits` is the mean number of turns without a word,
and `empty` the number of sentences for which nothing was written.
"""
