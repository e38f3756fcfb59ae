"""Scores, intervals and tests of any outcomes: by hand, against plain loops, and against the textbook."""

from __future__ import annotations

import random
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqpo.evaluation import statistics
from seqpo.evaluation.statistics import (
    Column,
    Metric,
    Statistic,
    TestSet,
    measure,
    paired_test,
    per_example,
    points,
)

Outcomes = Sequence[float]
NUMBERS = st.lists(st.floats(-100, 100), min_size=1, max_size=8)


def examples(outcomes: Outcomes) -> TestSet:
    """A test set whose examples are the places of the outcomes, from 1."""
    return TestSet(range(1, len(outcomes) + 1), "numbers")


def _rate(outcomes: Outcomes, data: TestSet) -> Statistic:
    """Outcomes per example, both summed over the test set: no mean over the examples."""
    values = np.array([[outcome, example] for outcome, example in zip(outcomes, data.examples, strict=True)])
    return Statistic(values, lambda total: float(total[0] / total[1]), "rate|of:sums")


MEAN = Metric("mean", "mean", "higher", measure=per_example(lambda outcome, _: outcome, "mean"))
RATE = Metric("rate", "rate", "higher", measure=_rate)
LARGEST = Metric("largest", "largest", measure=lambda outcomes, _: max(outcomes))
UNKNOWN = Metric("unknown", "unknown", measure=lambda *_: None)
ALL = (MEAN, RATE, LARGEST, UNKNOWN)


def draws(count: int, resamples: int, seed: int) -> list[list[int]]:
    """The places that each resample draws, written out."""
    counts = np.random.default_rng(seed).multinomial(count, [1 / count] * count, size=resamples)
    return [[place for place, times in enumerate(row) for _ in range(times)] for row in counts.tolist()]


def rate_of(outcomes: Outcomes, places: Sequence[int]) -> float:
    """The rate of a resample, by plain sums."""
    return sum(outcomes[place] for place in places) / sum(place + 1 for place in places)


def test_scores_by_hand():
    scores, _ = measure(ALL, [3.0, 1.0, 8.0], examples([3, 1, 8]), resamples=10)
    assert {name: score.value for name, score in scores.items()} == {"mean": 4, "rate": 2, "largest": 8}
    assert scores["largest"].low is scores["largest"].high is scores["largest"].spread is None
    assert points(ALL, [3.0, 1.0, 8.0], examples([3, 1, 8])) == {"mean": 4, "rate": 2, "largest": 8}


def test_a_score_of_an_example_may_need_the_example():
    metric = Metric("above", "above", measure=per_example(lambda outcome, example: outcome - example))
    assert points([metric], [3.0, 1.0, 8.0], examples([3, 1, 8])) == {"above": pytest.approx((2 - 1 + 5) / 3)}


def test_resampled_scores_by_hand():
    statistic = _rate([3.0, 1.0, 8.0], examples([3, 1, 8]))
    counts = np.array([[1.0, 1, 1], [0, 0, 3], [2, 1, 0]])
    assert statistic.resampled(counts) == pytest.approx([12 / 6, 24 / 9, 7 / 4])


@settings(deadline=None)
@given(NUMBERS, st.integers(0, 99))
def test_intervals_are_those_of_plain_loops(outcomes, seed):
    score = measure([RATE], outcomes, examples(outcomes), seed=seed, resamples=30)[0]["rate"]
    resampled = [rate_of(outcomes, places) for places in draws(len(outcomes), 30, seed)]
    assert (score.low, score.high) == pytest.approx(np.percentile(resampled, [2.5, 97.5]), abs=1e-9)
    assert score.low is not None
    assert score.high is not None
    assert score.low <= score.high
    assert score.spread == pytest.approx((score.high - score.low) / 2)


@settings(deadline=None)
@given(NUMBERS, st.randoms(), st.integers(0, 99))
def test_tests_are_those_of_plain_loops(a, rng, seed):
    b = [value + rng.choice([-1.0, 0.5, 2.0]) for value in a]
    test = paired_test(RATE, a, b, examples(a), seed=seed, resamples=30)
    differences = [rate_of(a, places) - rate_of(b, places) for places in draws(len(a), 30, seed)]
    assert test.interval == pytest.approx(np.percentile(differences, [2.5, 97.5]), abs=1e-9)
    observed, mean = test.a - test.b, sum(differences) / 30
    # where chance hits the observed difference exactly, rounding decides; both ways are right
    least, most = (sum(abs(d - mean) >= abs(observed) + slack for d in differences) for slack in (1e-9, -1e-9))
    assert (1 + least) / 31 <= test.p_value <= (1 + most) / 31
    assert test.difference == observed


@settings(deadline=None)
@given(NUMBERS, st.integers(0, 99))
def test_the_seed_decides_every_interval(outcomes, seed):
    first = measure(ALL, outcomes, examples(outcomes), seed=seed, resamples=20)
    assert first == measure(ALL, outcomes, examples(outcomes), seed=seed, resamples=20)
    if len(outcomes) == 1:
        assert first[0]["mean"].low == first[0]["mean"].high == first[0]["mean"].value


def test_interval_of_a_mean_is_the_textbooks():
    rng = random.Random(1)
    outcomes = [float(rng.randint(1, 7)) for _ in range(400)]
    score = measure([MEAN], outcomes, examples(outcomes))[0]["mean"]
    assert score.spread == pytest.approx(1.96 * float(np.std(outcomes)) / 20, rel=0.1)


def test_chance_alone_is_rarely_significant_and_intervals_hold_the_truth():
    rng = random.Random(5)
    significant = covered = 0
    for _ in range(200):
        a = [float(rng.randint(1, 7)) for _ in range(40)]  # mean 4, as of b
        test = paired_test(MEAN, a, [4.0] * 40, examples(a), resamples=200)
        significant += test.p_value < 0.05
        covered += test.interval[0] <= 0 <= test.interval[1]
    assert 2 <= significant <= 22
    assert 178 <= covered <= 198


@given(NUMBERS)
def test_a_system_does_not_differ_from_itself(outcomes):
    for metric in (MEAN, RATE):
        test = paired_test(metric, outcomes, outcomes, examples(outcomes), resamples=20)
        assert (test.difference, test.p_value, test.interval) == (0, 1, (0, 0))


def test_a_clear_difference_is_significant_and_its_sign_is_a_minus_b():
    a, b = [2.0] * 20, [4.0] * 20
    test = paired_test(MEAN, a, b, examples(a), names=("good", "bad"))
    assert (test.metric, test.names, test.a, test.b, test.difference) == ("mean", ("good", "bad"), 2, 4, -2)
    assert test.p_value == pytest.approx(1 / 1001)  # a constant difference: no resample is that far from the mean
    assert paired_test(MEAN, b, a, examples(a)).difference == 2


def test_signature_tells_how_to_get_the_score_again():
    again = Metric("again", "again", measure=per_example(lambda outcome, _: -outcome, "mean"))
    parts = {"policy": "own", "k": 3, "file": "a|b.tsv", "torch": "9.9"}
    _, signature = measure([*ALL, again], [1.0], examples([1]), seed=7, resamples=10, settings=parts)
    mean, rate, run = signature.split(" + ")
    assert (mean, rate) == ("mean", "rate|of:sums")
    assert run == (
        f"run|n:1|bs:10|rs:7|seqpo:{installed('seqpo')}|torch:9.9|transformers:{installed('transformers')}"
        "|policy:own|k:3|file:a/b.tsv"
    )


def test_packages_that_are_not_installed_are_not_in_the_signature(monkeypatch):
    def version(package: str) -> str:
        if package != "seqpo":
            raise PackageNotFoundError(package)
        return "1.0"

    monkeypatch.setattr(statistics, "version", version)
    assert measure([LARGEST], [1.0], examples([1]))[1] == "run|n:1|bs:1000|rs:0|seqpo:1.0"


def test_a_column_is_what_a_report_keeps_of_a_metric():
    metric = Metric("lag", "Lag", "lower", 1, "words", "cost", measure=MEAN.measure, compared=True)
    assert metric.column == Column("lag", "Lag", "lower", 1, "words", "cost")
    assert type(metric.column) is Column
    assert (metric.label, MEAN.label) == ("Lag (words)", "mean")


@pytest.mark.parametrize(
    ("outcomes", "resamples", "message"),
    [
        ([], 10, "nothing to score"),
        ([1.0], 10, "1 outcomes but 2 examples: give one for each"),
        ([1.0, 2.0], 0, "resamples must be at least 1, not 0"),
    ],
)
def test_what_cannot_be_scored_is_refused(outcomes, resamples, message):
    data = examples([1, 2])
    with pytest.raises(ValueError, match=message):
        measure(ALL, outcomes, data, resamples=resamples)
    with pytest.raises(ValueError, match=message):
        paired_test(MEAN, outcomes, outcomes, data, resamples=resamples)


@pytest.mark.parametrize("metric", [LARGEST, UNKNOWN])
def test_scores_without_a_statistic_are_not_tested(metric):
    with pytest.raises(ValueError, match=f"'{metric.name}' can't be tested"):
        paired_test(metric, [1.0], [2.0], examples([1]))
