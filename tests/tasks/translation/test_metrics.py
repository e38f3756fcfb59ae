"""Scores of translations: by hand, as sacreBLEU gives them, and as the textbook does."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from seqpo.evaluation.statistics import Score, Statistic, measure, paired_test, points
from seqpo.tasks.translation.corpora import Pair
from seqpo.tasks.translation.metrics import METRICS, TestSentences, verb_waits
from seqpo.tasks.translation.traces import Trace
from seqpo.tasks.translation.units import Unit
from tests.support.traces import corpus, sentences, wait_k

BY_NAME = {metric.name: metric for metric in METRICS}
WITH_INTERVALS = {"bleu", "chrf", "al", "laal", "ap", "cw_mean", "dal", "cw_max"}


def scored(traces: Sequence[Trace], data: TestSentences, resamples: int = 10) -> dict[str, Score]:
    return measure(METRICS, traces, data, resamples=resamples)[0]


def test_scores_by_hand():
    traces = [wait_k(1, "a b c d", 4), wait_k(3, "a b c d", 4)]
    found = scored(traces, sentences(["a b c d", "a b c d"]), resamples=50)
    assert {name: score.value for name, score in found.items()} == {
        "bleu": pytest.approx(100),
        "chrf": pytest.approx(100),
        "al": (1 + 3) / 2,
        "laal": 2,
        "ap": pytest.approx(((1 + 2 + 3 + 4) / 16 + (3 + 4 + 4 + 4) / 16) / 2),
        "cw_mean": (1 + 2) / 2,  # runs 1 1 1 1 and 3 1
        "dal": (1 + 3) / 2,
        "cw_max": (1 + 3) / 2,
        "al_std": 1,
        "waits": 0,
        "empty": 0,
    }
    assert (found["al"].low, found["al"].high) == (1, 3)
    assert {name for name, score in found.items() if score.spread is not None} == WITH_INTERVALS


def test_waits_and_empty_outputs_are_counted():
    source = ("x", "y", "z")
    traces = [Trace(source, ((1, ""), (1, ""), (1, "a b")), "word"), Trace(source, ((1, ""), (2, "")), "word")]
    found = points(METRICS, traces, sentences(["a b", "a b"]))
    assert (found["waits"], found["empty"], found["al"]) == (2, 1, 3)


@pytest.mark.parametrize("noise", [0.0, 0.3, 1.0])
def test_quality_is_what_sacrebleu_says(noise):
    hypotheses, references = corpus(50, noise)
    found = points(METRICS, [wait_k(2, text, 8) for text in hypotheses], sentences(references, "de"))
    assert found["bleu"] == pytest.approx(BLEU().corpus_score(hypotheses, [references]).score, abs=1e-9)
    assert found["chrf"] == pytest.approx(CHRF().corpus_score(hypotheses, [references]).score, abs=1e-9)


def test_chinese_is_scored_and_counted_in_characters():
    hypotheses, references = ["我不知道他来。", "今天天气好"], ["我不知道他会来。", "今天天气很好。"]
    traces = [Trace(("I", "don't", "know"), ((3, text),), "char") for text in hypotheses]
    found, signature = measure(METRICS, traces, sentences(references, "zh"), resamples=10)
    expected = BLEU(tokenize="zh").corpus_score(hypotheses, [references]).score
    assert found["bleu"].value == pytest.approx(expected, abs=1e-9)
    assert found["ap"].value == pytest.approx((7 / 8 + 5 / 7) / 2)  # Σ d / (|X| · reference characters)
    assert "tok:zh" in signature
    assert "unit:char" in signature


@pytest.mark.parametrize(("name", "scorer"), [("bleu", BLEU()), ("chrf", CHRF())])
def test_intervals_are_as_wide_as_sacrebleus(name, scorer):
    hypotheses, references = corpus(80, 0.3)
    traces = [wait_k(2, text, 8) for text in hypotheses]
    score = measure([BY_NAME[name]], traces, sentences(references), resamples=1500)[0][name]
    theirs = scorer.corpus_score(hypotheses, [references], n_bootstrap=1500)
    assert score.low is not None
    assert score.high is not None
    assert score.spread == pytest.approx(theirs._ci, rel=0.15)
    assert (score.high + score.low) / 2 == pytest.approx(theirs._mean, rel=0.03)


def test_interval_of_a_lag_is_the_textbooks():
    rng = random.Random(1)
    text = "a b c d e f g h"
    traces = [wait_k(rng.randint(1, 7), text, 8) for _ in range(400)]  # AL of wait-k is k
    found = measure([BY_NAME["al"], BY_NAME["al_std"]], traces, sentences([text] * 400))[0]
    assert found["al"].spread == pytest.approx(1.96 * found["al_std"].value / 20, rel=0.1)


def test_signature_tells_how_to_get_the_score_again():
    settings = {"policy": "wait-3"}
    _, signature = measure(METRICS, [wait_k(3, "a b", 4)], sentences(["a b"], "de"), resamples=10, settings=settings)
    bleu, chrf, latency, run = signature.split(" + ")
    assert bleu.startswith("BLEU|nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:")
    assert chrf.startswith("chrF2|nrefs:1|")
    assert latency == "latency|unit:word|al:ref|laal:max|ap:ref|dal:hyp"
    assert run.startswith("run|n:1|bs:10|rs:0|seqpo:")
    assert run.endswith("|policy:wait-3")


@pytest.mark.parametrize("name", sorted(WITH_INTERVALS | {"al_std"}))
@pytest.mark.parametrize(
    ("traces", "references", "message"),
    [
        ([wait_k(1, "a", 1)], ["a", "b"], "1 traces but 2 sentences"),
        ([wait_k(1, "a", 1)], [" "], "sentence 1 has an empty reference"),
        ([Trace((), (), "word")], ["a"], "sentence 1 has an empty source"),
        ([wait_k(1, "a", 1), Trace(("x",), ((1, "a"),), "char")], ["a", "a"], "char and word"),
    ],
)
def test_what_cannot_be_scored_is_refused(name, traces, references, message):
    with pytest.raises(ValueError, match=message):
        BY_NAME[name].measure(traces, sentences(references))


@pytest.mark.parametrize("name", sorted(WITH_INTERVALS))
def test_a_system_does_not_differ_from_itself(name):
    hypotheses, references = corpus(20, 0.3)
    traces = [wait_k(2, text, 8) for text in hypotheses]
    test = paired_test(BY_NAME[name], traces, traces, sentences(references), resamples=50)
    assert (test.difference, test.p_value, test.interval) == (0, 1, (0, 0))


def test_systems_are_compared_on_what_can_be_compared():
    compared = [metric for metric in METRICS if metric.compared]
    assert [metric.name for metric in compared] == ["bleu", "chrf", "al"]
    one = [wait_k(1, "a b", 2)], sentences(["a b"])
    assert all(isinstance(metric.measure(*one), Statistic) for metric in compared)


def test_clear_differences_are_significant_and_their_sign_is_a_minus_b():
    good, references = corpus(60, 0.1, seed=3)
    bad, _ = corpus(60, 0.5, seed=3)
    a, b = [wait_k(2, text, 8) for text in good], [wait_k(4, text, 8) for text in bad]
    data = sentences(references)
    bleu = paired_test(BY_NAME["bleu"], a, b, data)
    assert bleu.difference == pytest.approx(bleu.a - bleu.b)
    assert bleu.interval[0] > 0
    assert bleu.p_value < 0.05
    lag = paired_test(BY_NAME["al"], a, b, data)
    assert (lag.a, lag.b, lag.difference) == (2, 4, -2)
    back = paired_test(BY_NAME["bleu"], b, a, data)
    assert back.difference == pytest.approx(-bleu.difference)
    assert back.p_value == bleu.p_value


SOURCE = ("Ich", "weiß,", "dass", "er", "morgen", "kommt.")
PAIR = Pair(" ".join(SOURCE), "I know that he comes tomorrow.", verbs=((5, 4),))


def spoken(*turns: tuple[int, str], unit: Unit = "word") -> Trace:
    return Trace(SOURCE, turns, unit)


def test_verb_waits_by_hand():
    trace = spoken((1, "I"), (1, " know"), (1, " that"), (1, " he"), (2, " Comes"), (0, " tomorrow."))
    # Waits after the first word: know 1, that 1, he 1, comes 2, tomorrow 0.
    assert verb_waits([trace], [PAIR]) == (2, 3 / 4)
    found = points(METRICS, [trace], TestSentences([PAIR], "verbs", language="en"))
    assert (found["verb_wait"], found["other_wait"]) == (2, 0.75)


def test_the_occurrence_nearest_to_the_reference_is_the_verb():
    trace = spoken((1, "Comes"), (2, " what"), (0, " may"), (0, " he"), (1, " here"), (2, " comes,"), (0, " I know"))
    # "Comes" at 0 is 4 away from its place in the reference, "comes," at 5 only 1.
    assert verb_waits([trace], [PAIR]) == (2, 3 / 6)


def test_verbs_at_the_start_and_unwritten_verbs_count_nowhere():
    early = spoken((6, "comes"), (0, " tomorrow."))
    never = spoken((3, "nothing"), (3, " at all"))
    assert verb_waits([early, never], [PAIR, PAIR]) is None
    late = spoken((5, "he"), (1, " comes"), (0, " tomorrow"))
    assert verb_waits([late, never], [PAIR, PAIR]) == (1, pytest.approx((0 + 3 + 0) / 3))


def test_without_annotated_verbs_there_is_no_verb_wait():
    trace = spoken((6, "I know"))
    assert verb_waits([trace], [replace(PAIR, verbs=())]) is None
    assert not {"verb_wait", "other_wait"} & points(METRICS, [trace], sentences(["I know"])).keys()


def test_bad_verb_links_are_refused():
    with pytest.raises(ValueError, match="1 traces but 0 pairs"):
        verb_waits([spoken((6, "I"))], [])
    with pytest.raises(ValueError, match=r"unit 9 of 'I know that he comes tomorrow.', which has 6"):
        verb_waits([spoken((6, "I know"))], [replace(PAIR, verbs=((5, 9),))])
