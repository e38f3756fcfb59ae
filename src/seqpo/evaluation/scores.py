"""A system's scores: corpus quality, mean latency, bootstrap intervals, paired tests, and a signature.

Every score here is a function of statistics summed over the sentences: n-gram counts for BLEU and chrF, the
lag itself for a latency. A bootstrap resample is then a vector that counts how often each sentence was
drawn, and a thousand resamples are one matrix product.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import pairwise
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from seqpo.tasks.translation.corpora import Pair
from seqpo.tasks.translation.latency import LATENCY, consecutive_waits
from seqpo.tasks.translation.quality import tokenizer_for
from seqpo.tasks.translation.traces import Trace
from seqpo.tasks.translation.units import split

Setting = str | int | float | bool | None
Floats = NDArray[np.float64]

METRICS = ("bleu", "chrf", "al", "laal", "ap", "dal", "cw_mean", "cw_max")
"""The scores that come with an interval and can be compared with `paired_test`."""


@dataclass(frozen=True)
class System:
    """The scores of one system on one test set.

    BLEU and chrF are corpus scores in percent. AL, LAAL, DAL and CW (consecutive waits) are in source
    units, AP is a proportion; each is a mean over the sentences. `al_std` tells how AL varies from sentence
    to sentence, `waits` is the mean number of turns without a word, `empty` the number of sentences for
    which nothing was written. `interval` holds a 95 % bootstrap interval for each of `METRICS`. `verb_wait`
    and `other_wait` are those of `verb_waits`, None without annotated verbs. `settings` are the signature's
    parts that the caller gave.
    """

    name: str
    bleu: float
    chrf: float
    al: float
    laal: float
    ap: float
    dal: float
    cw_mean: float
    cw_max: float
    al_std: float
    waits: float
    empty: int
    n: int
    interval: dict[str, tuple[float, float]]
    signature: str
    verb_wait: float | None = None
    other_wait: float | None = None
    settings: dict[str, Setting] = field(default_factory=dict)


@dataclass(frozen=True)
class Comparison:
    """Two systems on the same sentences: scores `a` and `b`, and a − b with its 95 % interval."""

    metric: str
    names: tuple[str, str]
    a: float
    b: float
    difference: float
    p_value: float
    interval: tuple[float, float]


@dataclass(frozen=True, slots=True)
class _Measure:
    """A corpus score made of `statistics` [sentences, k]: `value` maps their sum [k] to the score."""

    statistics: Floats
    value: Callable[[Floats], float]
    signature: str = ""

    def point(self) -> float:
        return self.value(self.statistics.sum(axis=0))

    def resampled(self, counts: Floats) -> Floats:
        """Scores [resamples] of the resamples that `counts` [resamples, sentences] describes."""
        return np.array([self.value(total) for total in counts @ self.statistics])


def score(
    name: str,
    traces: Sequence[Trace],
    references: Sequence[str],
    *,
    language: str,
    pairs: Sequence[Pair] = (),
    seed: int = 0,
    resamples: int = 1000,
    signature_parts: Mapping[str, object] = MappingProxyType({}),
) -> System:
    """Score a system's traces, one per reference.

    Args:
        name: what the system is called in tables and figures.
        traces: what was read and written, all counted in the same unit.
        references: one translation per trace.
        language: of the references, such as "de"; it chooses BLEU's tokenizer.
        pairs: the annotated sentence pairs, for the waits before clause-final verbs; none to leave these out.
        seed: of the bootstrap.
        resamples: of the bootstrap, over sentences, as in Koehn (2004).
        signature_parts: what else is needed to get these scores again: policy, decoding, data file, its hash,
            commit. The versions of the packages are added unless they are given.

    Raises:
        ValueError: for no traces, unequal numbers, mixed units, or a reference or source without a unit.
    """
    _check(traces, references)
    counts = _draws(len(traces), resamples, seed)
    measures = {metric: _measure(metric, traces, references, language) for metric in METRICS}
    waits = verb_waits(traces, pairs) if pairs else None
    return System(
        name=name,
        **{metric: measure.point() for metric, measure in measures.items()},
        al_std=float(measures["al"].statistics.std()),
        waits=float(np.mean([trace.waits for trace in traces])),
        empty=sum(not trace.units for trace in traces),
        n=len(traces),
        interval={metric: _interval(measure.resampled(counts)) for metric, measure in measures.items()},
        signature=_signature(
            measures, traces[0].unit, {"n": len(traces), "bs": resamples, "rs": seed}, signature_parts
        ),
        verb_wait=waits[0] if waits else None,
        other_wait=waits[1] if waits else None,
        settings={key: _setting(value) for key, value in signature_parts.items()},
    )


def paired_test(
    a_traces: Sequence[Trace],
    b_traces: Sequence[Trace],
    references: Sequence[str],
    *,
    language: str,
    metric: str,
    names: tuple[str, str] = ("a", "b"),
    seed: int = 0,
    resamples: int = 1000,
) -> Comparison:
    """Compare two systems by the paired bootstrap over sentences (Koehn 2004).

    Both systems are scored on the same resamples, which gives differences d_1 … d_R around their mean m.
    Shifted by m they show how large a difference chance alone makes: the p-value, two-sided, of the
    observed difference D is

        p = (1 + #{r : |d_r − m| ≥ |D|}) / (1 + R)

    sacreBLEU's paired bootstrap counts |d_r| − mean|d_r| > |D| instead, which for a clear difference sees
    one side only and comes to about half this p-value. A system compared with itself has p = 1 here.

    Raises:
        ValueError: for a metric that is not one of `METRICS`, and as `score` does.
    """
    if metric not in METRICS:
        raise ValueError(f"unknown metric {metric!r}: choose one of {', '.join(METRICS)}")
    _check(a_traces, references)
    _check(b_traces, references)
    counts = _draws(len(references), resamples, seed)
    a = _measure(metric, a_traces, references, language)
    b = _measure(metric, b_traces, references, language)
    differences = a.resampled(counts) - b.resampled(counts)
    observed = a.point() - b.point()
    by_chance = int(np.sum(np.abs(differences - differences.mean()) >= abs(observed)))
    return Comparison(
        metric=metric,
        names=names,
        a=a.point(),
        b=b.point(),
        difference=observed,
        p_value=(1 + by_chance) / (1 + resamples),
        interval=_interval(differences),
    )


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


def _check(traces: Sequence[Trace], references: Sequence[str]) -> None:
    if not traces:
        raise ValueError("nothing to score: give at least one trace")
    if len(traces) != len(references):
        raise ValueError(f"{len(traces)} traces but {len(references)} references: give one for each")
    units = sorted({trace.unit for trace in traces})
    if len(units) > 1:
        raise ValueError(f"traces counted in {' and '.join(units)} cannot be averaged: choose one unit")
    for number, (trace, reference) in enumerate(zip(traces, references, strict=True), start=1):
        if not trace.source or not reference.strip():
            side = "reference" if trace.source else "source"
            raise ValueError(f"sentence {number} has an empty {side}: remove the sentence")


def _measure(metric: str, traces: Sequence[Trace], references: Sequence[str], language: str) -> _Measure:
    if metric in ("bleu", "chrf"):
        return _quality(metric, [trace.text for trace in traces], references, language)
    values = np.array([_lag(metric, trace, ref) for trace, ref in zip(traces, references, strict=True)])
    return _Measure(values[:, None], lambda total: float(total[0]) / len(values))


def _quality(metric: str, texts: Sequence[str], references: Sequence[str], language: str) -> _Measure:
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    scorer = BLEU(tokenize=tokenizer_for(language)) if metric == "bleu" else CHRF()
    # The steps of sacreBLEU's own `corpus_score`, taken apart: the bootstrap needs what lies between them.
    statistics = np.array(scorer._extract_corpus_statistics(texts, [references]), dtype=np.float64)
    name = scorer._compute_score_from_stats(statistics.sum(axis=0).tolist()).name
    return _Measure(
        statistics,
        lambda total: float(scorer._compute_score_from_stats(total.tolist()).score),
        signature=f"{name}|{scorer.get_signature().format()}",
    )


def _lag(metric: str, trace: Trace, reference: str) -> float:
    if metric in LATENCY:
        return float(LATENCY[metric](trace, len(split(reference, trace.unit))))
    mean, longest = consecutive_waits(trace.read_runs)
    return float(mean if metric == "cw_mean" else longest)


def _draws(sentences: int, resamples: int, seed: int) -> Floats:
    """How often every resample draws every sentence, [resamples, sentences]."""
    if resamples < 1:
        raise ValueError(f"resamples must be at least 1, not {resamples}")
    uniform = np.full(sentences, 1 / sentences)
    return np.random.default_rng(seed).multinomial(sentences, uniform, size=resamples).astype(np.float64)


def _interval(values: Floats) -> tuple[float, float]:
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def _signature(
    measures: Mapping[str, _Measure], unit: str, run: Mapping[str, object], parts: Mapping[str, object]
) -> str:
    """sacreBLEU's signatures, then whose length each latency takes for the target, then what was run."""
    versions = {package: version(package) for package in ("seqpo", "torch", "transformers")}
    latency = {"unit": unit, "al": "ref", "laal": "max", "ap": "ref", "dal": "hyp"}
    return " + ".join(
        [
            measures["bleu"].signature,
            measures["chrf"].signature,
            _section("latency", latency),
            _section("run", {**run, **versions, **parts}),
        ]
    )


def _section(title: str, parts: Mapping[str, object]) -> str:
    """`title|key:value|…`; a bar inside a value would look like the next key."""
    return "|".join([title, *(f"{key}:{value}".replace("|", "/") for key, value in parts.items())])


def _setting(value: object) -> Setting:
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)
