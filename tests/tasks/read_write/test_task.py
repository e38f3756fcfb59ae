"""Translation by READ and WRITE as a task: what is heard, what is recorded, and what each decision earns."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqpo.tasks.read_write.agent import READ, WRITE
from seqpo.tasks.read_write.task import ReadWriteTask, encode_source, record
from seqpo.tasks.read_write.translator.pairs import whole_source
from seqpo.tasks.translation.corpora import Pair
from seqpo.tasks.translation.renderer import plain_renderer
from seqpo.tasks.translation.rewards import GuReward
from seqpo.tasks.translation.task import TranslationTask
from seqpo.types import Episode, Turn, pack
from tests.support.translation import renderer, sentences, tokenizer

FRAMING = renderer()
PAIR = Pair("Ich weiß das schon", "I know it")


@dataclass(frozen=True)
class Proposed:
    """What a decision was about."""

    token: int


def count_words(sources: object, hypotheses: list[str], references: object) -> list[float]:
    return [float(len(text.split())) for text in hypotheses]


def task(pairs: tuple[Pair, ...] = (PAIR,), **options: object) -> ReadWriteTask:
    return ReadWriteTask(pairs, FRAMING, quality=count_words, **options)  # type: ignore[arg-type]


def episode(*decisions: str, start: int = 0) -> Episode:
    """READ where a decision says "…", the end of the translation for "", else WRITE after WRITE of a word's tokens."""
    chosen: list[tuple[int, int]] = []
    for decision in decisions:
        if decision == "…":
            chosen.append((READ, 0))
        else:
            chosen += [(WRITE, token) for token in (FRAMING.target([decision]) if decision else (FRAMING.stop,))]
    return Episode(start, tuple(Turn(Proposed(token), (action,), (-0.5,)) for action, token in chosen))


def test_a_source_is_heard_word_by_word_and_then_its_end():
    [start] = task().starts(1, step=0)
    assert start.units == ("Ich", "weiß", "das", "schon")
    assert start.source.words == tuple(FRAMING.source([word]) for word in start.units)
    assert start.source.end == FRAMING.source_end
    assert start.source.tokens == whole_source(FRAMING, PAIR.source)
    assert (start.pair, start.number) == (PAIR, 0)


@pytest.mark.parametrize("unit", ["word", "char"])
def test_a_translator_is_trained_on_the_very_tokens_that_are_heard(unit: str):
    frame = plain_renderer(tokenizer(), unit, "word")  # type: ignore[arg-type]
    text = "er kauft 3.5 kg Brot"
    units = text.split() if unit == "word" else ["er", "kauft", "3.5", "kg", "Brot"]
    assert encode_source(frame, units).tokens == whole_source(frame, text)
    characters = plain_renderer(tokenizer(), "char", "word")
    assert len(encode_source(characters, list("我们走")).words) == 3
    assert encode_source(characters, list("我们走")).tokens == whole_source(characters, "我们走")


def test_a_trace_has_a_turn_for_every_decision():
    [start] = task().starts(1, step=0)
    trace = start.trace(episode("…", "I", "…", "…", "…", "know", ""))
    one, two = len(FRAMING.target(["I"])), len(FRAMING.target(["know"]))
    assert [count for count, _ in trace.turns] == [2, *[0] * one, 1, 1, 0, *[0] * two, 0]
    assert trace.text == "I know"
    assert trace.delays == (2, 4)
    assert trace.turns[0] == (2, "")
    assert trace.turns[-1] == (0, "")


def test_a_word_is_read_before_the_first_decision_even_if_that_is_to_write():
    [start] = task().starts(1, step=0)
    trace = start.trace(episode("I", ""))
    assert trace.turns[0][0] == 1
    assert trace.delays == (1,)


def test_the_end_of_a_source_of_one_word_reads_nothing():
    [start] = task((Pair("Ja", "yes"),)).starts(1, step=0)
    assert [count for count, _ in start.trace(episode("…", "")).turns] == [1, 0]


def test_a_character_of_several_tokens_appears_with_its_last_one():
    tokens = FRAMING.target(["é"])
    assert len(tokens) == 3  # a space and two bytes
    [start] = task((Pair("Ja", "é"),)).starts(1, step=0)
    trace = start.trace(episode("…", "é", ""))
    assert [piece for _, piece in trace.turns] == ["", " ", "", "é", ""]


def test_each_reward_of_a_worked_example():
    reward = GuReward(alpha=-0.1, beta=-1.0, cw_target=2, ap_target=0.5)
    judge = task(reward=reward, latency="ap")
    starts = judge.starts(1, step=0)
    batch = pack([episode("…", "I", "…", "…", "…", "sleep", "")])
    first, second = len(FRAMING.target(["I"])), len(FRAMING.target(["sleep"]))
    # "I" matches: BLEU 1, whatever is smoothed. "I sleep" has p = 1/2, (0+1)/(1+1), 1, 1
    bleu = 0.25**0.25
    whole = bleu * math.exp(1 - 3 / 2)  # two words for three
    proportion = (2 + 4) / (4 * 2)
    expected = [
        -0.1,  # the first two words: a run of 2 = c* costs alpha, one of 1 nothing
        *[0.0] * (first - 1),
        1.0,
        0.0,  # a run of 1
        -0.1,  # of 2
        0.0,  # the end mark is no word
        *[0.0] * (second - 1),
        bleu - 1.0,
        whole - 1.0 * (proportion - 0.5),
    ]
    rewards = judge.score(starts, batch)
    assert rewards.values.tolist() == pytest.approx(expected)
    assert rewards.parts["quality"].tolist() == [2.0]
    assert rewards.parts["latency"].tolist() == [pytest.approx((2 + 4) / (4 * 3))]  # here over the reference
    assert rewards.parts["wait"].tolist() == [2.0]


def test_episodes_are_judged_by_their_own_sentences():
    judge = task((PAIR, Pair("Ja", "yes")), reward=GuReward(), seed=3)
    starts = judge.starts(2, step=0)
    order = [start.number for start in starts]
    assert sorted(order) == [0, 1]
    chosen = [episode("…", "I", "", start=group) for group in (0, 0, 1)]
    rewards = judge.score(starts, pack(chosen))
    assert rewards.parts["latency"].shape == (3,)
    last = rewards.values[[len(chosen[0].turns) - 1, -1]]
    assert (last[0] > last[1]) == (order[0] == 0)  # "I" is right for the one, and wrong for the other
    assert judge.start_ids(starts).tolist() == order
    assert judge.num_starts == 2


def test_both_tasks_go_through_the_sentences_in_one_order():
    mine = ReadWriteTask(sentences(), FRAMING, seed=5)
    theirs = TranslationTask(sentences(), FRAMING, seed=5)
    for step in (0, 7):
        assert [start.number for start in mine.starts(9, step=step)] == [
            start.number for start in theirs.starts(9, step=step)
        ]


@given(st.lists(st.integers(0, 3), min_size=4, max_size=4))
def test_a_whole_record_has_a_turn_for_a_word(counts: list[int]):
    words = FRAMING.target(["I", "know", "that", "he"])
    answers = [(1, words[:count]) for count in counts]
    units = ("a", "b", "c", "d")
    trace = record(FRAMING, units, [*answers, (0, (*words, FRAMING.stop))])
    assert [count for count, _ in trace.turns] == [1] * 4
    assert trace.text == FRAMING.pieces([sum((written for _, written in answers), ()) + words])[0].strip()
    assert record(FRAMING, units[:1], [(1, (FRAMING.stop,))]).units == ()


def test_what_is_no_task_is_refused():
    with pytest.raises(ValueError, match="needs sentences"):
        task(())
    with pytest.raises(ValueError, match="unknown latency 'late': choose one of al"):
        task(latency="late")
    with pytest.raises(AssertionError, match="quality metric"):
        ReadWriteTask((PAIR,), FRAMING).score(task().starts(1, step=0), pack([episode("")]))
