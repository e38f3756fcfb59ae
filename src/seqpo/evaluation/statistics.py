"""Metrics, bootstrap intervals, paired tests, and a signature, for any kind of outcome.

Most scores are a function of statistics summed over the examples: n-gram counts for BLEU, the value itself for a mean.
A bootstrap resample is then a vector that counts how often each example was drawn, and a thousand resamples are one
matrix product.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from importlib.metadata import PackageNotFoundError, version
from types import MappingProxyType
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

Setting = str | int | float | bool | None
Floats = NDArray[np.float64]

_PACKAGES = ("seqpo", "torch", "transformers")


@dataclass(frozen=True, slots=True)
class Statistic:
    """A score with what it is made of.

    Attributes:
        values: `[examples, k]`.
        score: of their sum `[k]`.
        signature: what one has to know to compare the score with another; empty for nothing.
    """

    values: Floats
    score: Callable[[Floats], float]
    signature: str = ""

    def point(self) -> float:
        """Return the score of all examples."""
        return self.score(self.values.sum(axis=0))

    def resampled(self, counts: Floats) -> Floats:
        """Return the scores `[resamples]` of the resamples that `counts` `[resamples, examples]` describes."""
        return np.array([self.score(total) for total in counts @ self.values])


Measure = Callable[[Sequence[Any], Any], Statistic | float | None]
"""(outcomes, test set) -> a statistic, a score without an interval, or None where it can't be told on these data."""


@dataclass(frozen=True)
class Column:
    """What a table or a figure needs to know of a score.

    Attributes:
        name: of the score, such as "al".
        title: of its column.
        better: which values are better; empty where none are.
        decimals: that are shown.
        unit: such as "source units"; empty for none.
        axis: of the trade-off that it can be; empty for none.
    """

    name: str
    title: str
    better: Literal["higher", "lower", ""] = ""
    decimals: int = 2
    unit: str = ""
    axis: Literal["quality", "cost", ""] = ""

    @property
    def label(self) -> str:
        """Title and unit."""
        return f"{self.title} ({self.unit})" if self.unit else self.title


@dataclass(frozen=True, kw_only=True)
class Metric(Column):
    """A score, and how it is measured.

    Attributes:
        measure: the score of outcomes, which are one for each example of a test set.
        compared: whether systems are tested for it against their baseline.
    """

    measure: Measure
    compared: bool = False

    @property
    def column(self) -> Column:
        """What a report keeps of it."""
        return Column(**{item.name: getattr(self, item.name) for item in fields(Column)})


@dataclass(frozen=True)
class TestSet:
    """Examples to be measured on, and where they come from.

    Attributes:
        examples: what systems are given.
        name: of the file or data set.
        sha256: of the file; empty for none.
    """

    __test__: ClassVar[bool] = False  # for pytest, which takes classes of this name for tests

    examples: Sequence[Any]
    name: str
    sha256: str = ""


@dataclass(frozen=True)
class Score:
    """A score, and the ends of its 95 % bootstrap interval where it has one."""

    value: float
    low: float | None = None
    high: float | None = None

    @property
    def spread(self) -> float | None:
        """Half the width of the interval."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2


@dataclass(frozen=True)
class Result:
    """The scores of one system on one test set.

    Attributes:
        name: of the system, in tables and figures.
        family: systems of one family are one curve.
        is_baseline: whether it is something that policies are compared with.
        scores: by name; those that could not be told are missing.
        n: examples that were scored.
        signature: what is needed to get these scores again.
        variant_of: family that this one is a variant of; empty for none.
        settings: the signature's parts that are the system's own.
    """

    name: str
    family: str
    is_baseline: bool
    scores: dict[str, Score]
    n: int
    signature: str
    variant_of: str = ""
    settings: dict[str, Setting] = field(default_factory=dict)


@dataclass(frozen=True)
class Comparison:
    """Two systems on the same examples: scores `a` and `b`, and a − b with its 95 % interval."""

    metric: str
    names: tuple[str, str]
    a: float
    b: float
    difference: float
    p_value: float
    interval: tuple[float, float]


def per_example(score: Callable[[Any, Any], float], signature: str = "") -> Measure:
    """Make the measure that is the mean over the examples.

    Args:
        score: (outcome, example) -> a number.
        signature: of the statistic.
    """

    def measure(outcomes: Sequence[Any], data: Any) -> Statistic:
        pairs = zip(outcomes, data.examples, strict=True)
        values = np.array([float(score(outcome, example)) for outcome, example in pairs])
        return Statistic(values[:, None], lambda total: float(total[0]) / len(values), signature)

    return measure


def points(metrics: Sequence[Metric], outcomes: Sequence[Any], data: TestSet) -> dict[str, float]:
    """Score outcomes without intervals, as for a learning curve; what can't be told on the data is left out.

    Raises:
        ValueError: no outcomes, or not one for each example.
    """
    found = _measured(metrics, outcomes, data)
    return {name: each.point() if isinstance(each, Statistic) else each for name, each in found.items()}


def measure(
    metrics: Sequence[Metric],
    outcomes: Sequence[Any],
    data: TestSet,
    *,
    seed: int = 0,
    resamples: int = 1000,
    settings: Mapping[str, Setting] = MappingProxyType({}),
) -> tuple[dict[str, Score], str]:
    """Score what a system made of a test set.

    Args:
        metrics: the scores, in order; what can't be told on the data is left out.
        outcomes: one for each example.
        data: the test set.
        seed: of the bootstrap.
        resamples: of the bootstrap, over examples, as in Koehn (2004).
        settings: what else is needed to get these scores again, for the signature: policy, decoding, data file, its
            hash, commit. The versions of the packages are added unless they are given.

    Returns:
        The scores by name, and the signature of the system.

    Raises:
        ValueError: no outcomes, not one for each example, or fewer than one resample.
    """
    found = _measured(metrics, outcomes, data)
    counts = _draws(len(outcomes), resamples, seed)
    scores = {name: _score(each, counts) for name, each in found.items()}
    signatures = dict.fromkeys(each.signature for each in found.values() if isinstance(each, Statistic))
    run = {"n": len(outcomes), "bs": resamples, "rs": seed} | _versions() | dict(settings)
    return scores, " + ".join([*filter(None, signatures), section("run", run)])


def paired_test(
    metric: Metric,
    a_outcomes: Sequence[Any],
    b_outcomes: Sequence[Any],
    data: TestSet,
    *,
    names: tuple[str, str] = ("a", "b"),
    seed: int = 0,
    resamples: int = 1000,
) -> Comparison:
    """Compare two systems by the paired bootstrap over examples (Koehn 2004).

    Both systems are scored on the same resamples, which gives differences d_1 … d_R around their mean m.
    Shifted by m they show how large a difference chance alone makes: the p-value, two-sided, of the
    observed difference D is

        p = (1 + #{r : |d_r − m| ≥ |D|}) / (1 + R)

    sacreBLEU's paired bootstrap counts |d_r| − mean|d_r| > |D| instead, which for a clear difference sees
    one side only and comes to about half this p-value. A system compared with itself has p = 1 here.

    Raises:
        ValueError: a metric that gives no statistic of these data, and as `measure` does.
    """
    a, b = (_measured([metric], outcomes, data).get(metric.name) for outcomes in (a_outcomes, b_outcomes))
    if not isinstance(a, Statistic) or not isinstance(b, Statistic):
        raise ValueError(f"{metric.name!r} can't be tested: it has no statistic of single examples here")
    counts = _draws(len(a_outcomes), resamples, seed)
    differences = a.resampled(counts) - b.resampled(counts)
    observed = a.point() - b.point()
    by_chance = int(np.sum(np.abs(differences - differences.mean()) >= abs(observed)))
    return Comparison(
        metric=metric.name,
        names=names,
        a=a.point(),
        b=b.point(),
        difference=observed,
        p_value=(1 + by_chance) / (1 + resamples),
        interval=_interval(differences),
    )


def section(title: str, parts: Mapping[str, object]) -> str:
    """Write a part of a signature, `title|key:value|…`; a bar inside a value would look like the next key."""
    return "|".join([title, *(f"{key}:{value}".replace("|", "/") for key, value in parts.items())])


def _measured(metrics: Sequence[Metric], outcomes: Sequence[Any], data: TestSet) -> dict[str, Statistic | float]:
    """Apply the metrics; those that give None are left out."""
    if not outcomes:
        raise ValueError("nothing to score: give at least one outcome")
    if len(outcomes) != len(data.examples):
        raise ValueError(f"{len(outcomes)} outcomes but {len(data.examples)} examples: give one for each")
    found = ((metric.name, metric.measure(outcomes, data)) for metric in metrics)
    return {name: each for name, each in found if each is not None}


def _score(measured: Statistic | float, counts: Floats) -> Score:
    if isinstance(measured, Statistic):
        return Score(measured.point(), *_interval(measured.resampled(counts)))
    return Score(float(measured))


def _draws(examples: int, resamples: int, seed: int) -> Floats:
    """How often every resample draws every example, `[resamples, examples]`."""
    if resamples < 1:
        raise ValueError(f"resamples must be at least 1, not {resamples}")
    uniform = np.full(examples, 1 / examples)
    return np.random.default_rng(seed).multinomial(examples, uniform, size=resamples).astype(np.float64)


def _interval(values: Floats) -> tuple[float, float]:
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def _versions() -> dict[str, object]:
    """The versions of those packages that are installed."""
    found: dict[str, object] = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
