import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from seqpo.evaluation.scores import METRICS, paired_test, score, verb_waits
from seqpo.tasks.translation.corpora import Pair
from seqpo.tasks.translation.traces import Trace
from seqpo.tasks.translation.units import Unit

WORDS = ["the", "cat", "dog", "sees", "a", "small", "old", "tree", "and", "runs", "over", "to", "my", "friend"]


def wait_k(k: int, text: str, length: int) -> Trace:
    """Read k source words, then write a word and read one in turn; what is left at the end comes at once."""
    turns: list[tuple[int, str]] = []
    read = 0
    for i, word in enumerate(text.split()):
        now = min(k + i, length)
        turns.append((now - read, f" {word}"))
        read = now
    return Trace(tuple(f"x{i}" for i in range(length)), tuple(turns), "word")


def corpus(count: int, noise: float, seed: int = 0) -> tuple[list[str], list[str]]:
    """Invented references of 8 words, and hypotheses in which each word is wrong with probability `noise`."""
    rng = random.Random(seed)
    references = [rng.choices(WORDS, k=8) for _ in range(count)]
    hypotheses = [[rng.choice(WORDS) if rng.random() < noise else word for word in words] for words in references]
    return [" ".join(words) for words in hypotheses], [" ".join(words) for words in references]


def test_scores_by_hand():
    traces = [wait_k(1, "a b c d", 4), wait_k(3, "a b c d", 4)]
    system = score("mine", traces, ["a b c d", "a b c d"], language="en", resamples=50)
    assert system.bleu == pytest.approx(100)
    assert system.chrf == pytest.approx(100)
    assert system.al == pytest.approx((1 + 3) / 2)
    assert system.laal == pytest.approx(2)
    assert system.al_std == pytest.approx(1)
    assert system.ap == pytest.approx(((1 + 2 + 3 + 4) / 16 + (3 + 4 + 4 + 4) / 16) / 2)
    assert system.dal == pytest.approx((1 + 3) / 2)
    assert system.cw_mean == pytest.approx((1 + 2) / 2)  # runs 1 1 1 1 and 3 1
    assert system.cw_max == pytest.approx((1 + 3) / 2)
    assert (system.waits, system.empty, system.n) == (0, 0, 2)
    assert system.interval["al"] == (1, 3)


def test_waits_and_empty_outputs_are_counted():
    source = ("x", "y", "z")
    traces = [Trace(source, ((1, ""), (1, ""), (1, "a b")), "word"), Trace(source, ((1, ""), (2, "")), "word")]
    system = score("mine", traces, ["a b", "a b"], language="en", resamples=10)
    assert system.waits == 2
    assert system.empty == 1
    assert system.al == 3


@pytest.mark.parametrize("noise", [0.0, 0.3, 1.0])
def test_quality_is_what_sacrebleu_says(noise):
    hypotheses, references = corpus(50, noise)
    system = score("mine", [wait_k(2, text, 8) for text in hypotheses], references, language="de", resamples=10)
    assert system.bleu == pytest.approx(BLEU().corpus_score(hypotheses, [references]).score, abs=1e-9)
    assert system.chrf == pytest.approx(CHRF().corpus_score(hypotheses, [references]).score, abs=1e-9)


def test_chinese_is_scored_and_counted_in_characters():
    hypotheses, references = ["我不知道他来。", "今天天气好"], ["我不知道他会来。", "今天天气很好。"]
    traces = [Trace(("I", "don't", "know"), ((3, text),), "char") for text in hypotheses]
    system = score("mine", traces, references, language="zh", resamples=10)
    expected = BLEU(tokenize="zh").corpus_score(hypotheses, [references]).score
    assert system.bleu == pytest.approx(expected, abs=1e-9)
    assert system.ap == pytest.approx((7 / 8 + 5 / 7) / 2)  # Σ d / (|X| · reference characters)
    assert "tok:zh" in system.signature
    assert "unit:char" in system.signature


@pytest.mark.parametrize(("key", "scorer"), [("bleu", BLEU()), ("chrf", CHRF())])
def test_intervals_are_as_wide_as_sacrebleus(key, scorer):
    hypotheses, references = corpus(80, 0.3)
    traces = [wait_k(2, text, 8) for text in hypotheses]
    low, high = score("mine", traces, references, language="en", resamples=1500).interval[key]
    theirs = scorer.corpus_score(hypotheses, [references], n_bootstrap=1500)
    assert (high - low) / 2 == pytest.approx(theirs._ci, rel=0.15)
    assert (high + low) / 2 == pytest.approx(theirs._mean, rel=0.03)


def test_interval_of_a_mean_is_the_textbooks():
    rng = random.Random(1)
    text = "a b c d e f g h"
    traces = [wait_k(rng.randint(1, 7), text, 8) for _ in range(400)]  # AL of wait-k is k
    system = score("mine", traces, [text] * 400, language="en", resamples=1000)
    low, high = system.interval["al"]
    assert (high - low) / 2 == pytest.approx(1.96 * system.al_std / 20, rel=0.1)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 9), st.sampled_from(WORDS)), min_size=1, max_size=6), st.integers(0, 99))
def test_every_interval_is_ordered_and_the_seed_decides_it(choices, seed):
    traces = [wait_k(k, f"{word} tree", 5) for k, word in choices]
    references = ["old tree"] * len(traces)
    first = score("mine", traces, references, language="en", seed=seed, resamples=20)
    assert first == score("mine", traces, references, language="en", seed=seed, resamples=20)
    assert set(first.interval) == set(METRICS)
    assert all(low <= high for low, high in first.interval.values())
    if len(traces) == 1:
        assert all(first.interval[key][0] == pytest.approx(getattr(first, key)) for key in METRICS)


def test_signature_tells_how_to_get_the_score_again():
    parts = {"policy": "wait-3", "k": 3, "file": "a|b.tsv", "torch": "9.9"}
    trace = wait_k(3, "a b", 4)
    system = score("mine", [trace], ["a b"], language="de", seed=7, resamples=10, signature_parts=parts)
    bleu, chrf, latency, run = system.signature.split(" + ")
    assert bleu.startswith("BLEU|nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:")
    assert chrf.startswith("chrF2|nrefs:1|")
    assert latency == "latency|unit:word|al:ref|laal:max|ap:ref|dal:hyp"
    fields = dict(field.split(":", 1) for field in run.split("|")[1:])
    assert (fields["n"], fields["bs"], fields["rs"]) == ("1", "10", "7")
    assert (fields["policy"], fields["k"], fields["file"], fields["torch"]) == ("wait-3", "3", "a/b.tsv", "9.9")
    assert {"seqpo", "transformers"} <= set(fields)
    assert system.settings == parts


@pytest.mark.parametrize(
    ("traces", "references", "message"),
    [
        ([], [], "at least one trace"),
        ([wait_k(1, "a", 1)], ["a", "b"], "1 traces but 2 references"),
        ([wait_k(1, "a", 1)], [" "], "sentence 1 has an empty reference"),
        ([Trace((), (), "word")], ["a"], "sentence 1 has an empty source"),
        ([wait_k(1, "a", 1), Trace(("x",), ((1, "a"),), "char")], ["a", "a"], "char and word"),
    ],
)
def test_what_cannot_be_scored_is_refused(traces, references, message):
    with pytest.raises(ValueError, match=message):
        score("mine", traces, references, language="en")


def test_unknown_metric_and_no_resamples_are_refused():
    traces, references = [wait_k(1, "a", 1)], ["a"]
    with pytest.raises(ValueError, match=r"unknown metric 'meteor': choose one of bleu, chrf"):
        paired_test(traces, traces, references, language="en", metric="meteor")
    with pytest.raises(ValueError, match="resamples must be at least 1"):
        score("mine", traces, references, language="en", resamples=0)


@pytest.mark.parametrize("metric", METRICS)
def test_a_system_does_not_differ_from_itself(metric):
    hypotheses, references = corpus(20, 0.3)
    traces = [wait_k(2, text, 8) for text in hypotheses]
    test = paired_test(traces, traces, references, language="en", metric=metric, resamples=50)
    assert (test.difference, test.p_value, test.interval) == (0, 1, (0, 0))


def test_clear_differences_are_significant_and_their_sign_is_a_minus_b():
    good, references = corpus(60, 0.1, seed=3)
    bad, _ = corpus(60, 0.5, seed=3)
    a, b = [wait_k(2, text, 8) for text in good], [wait_k(4, text, 8) for text in bad]
    names = ("good", "bad")
    bleu = paired_test(a, b, references, language="en", metric="bleu", names=names)
    assert bleu.names == names
    assert bleu.difference == pytest.approx(bleu.a - bleu.b)
    assert bleu.interval[0] > 0
    assert bleu.p_value < 0.05
    lag = paired_test(a, b, references, language="en", metric="al")
    assert (lag.a, lag.b, lag.difference) == (2, 4, -2)
    assert lag.p_value == pytest.approx(1 / 1001)  # a constant difference: no resample is that far from the mean
    back = paired_test(b, a, references, language="en", metric="bleu")
    assert back.difference == pytest.approx(-bleu.difference)
    assert back.p_value == bleu.p_value


def test_chance_alone_is_rarely_significant_and_intervals_hold_the_truth():
    rng = random.Random(5)
    text = "a b c d e f g h"
    by_k = [wait_k(k, text, 8) for k in range(8)]
    significant = covered = 0
    for _ in range(200):
        a = [by_k[rng.randint(1, 7)] for _ in range(40)]  # mean AL 4, as of every b
        test = paired_test(a, [by_k[4]] * 40, [text] * 40, language="en", metric="al", resamples=200)
        significant += test.p_value < 0.05
        covered += test.interval[0] <= 0 <= test.interval[1]
    assert 2 <= significant <= 22
    assert 178 <= covered <= 198


SOURCE = ("Ich", "weiß,", "dass", "er", "morgen", "kommt.")
PAIR = Pair(" ".join(SOURCE), "I know that he comes tomorrow.", verbs=((5, 4),))


def spoken(*turns: tuple[int, str], unit: Unit = "word") -> Trace:
    return Trace(SOURCE, turns, unit)


def test_verb_waits_by_hand():
    trace = spoken((1, "I"), (1, " know"), (1, " that"), (1, " he"), (2, " Comes"), (0, " tomorrow."))
    # Waits after the first word: know 1, that 1, he 1, comes 2, tomorrow 0.
    assert verb_waits([trace], [PAIR]) == (2, 3 / 4)
    system = score("mine", [trace], [PAIR.target], language="en", pairs=[PAIR], resamples=10)
    assert (system.verb_wait, system.other_wait) == (2, 0.75)


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
    assert score("mine", [trace], ["I know"], language="en", resamples=10).verb_wait is None


def test_bad_verb_links_are_refused():
    with pytest.raises(ValueError, match="1 traces but 0 pairs"):
        verb_waits([spoken((6, "I"))], [])
    with pytest.raises(ValueError, match=r"unit 9 of 'I know that he comes tomorrow.', which has 6"):
        verb_waits([spoken((6, "I know"))], [replace(PAIR, verbs=((5, 9),))])
