"""When the baselines read and write: by hand on a table, and as plain rules over one stream."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seqpo.tasks.read_write.deciders import (
    WaitIfDiff,
    WaitIfWorse,
    WaitK,
    WaitLags,
    WaitOneStep,
    WaitUntilEnd,
    translate_segments,
)
from seqpo.tasks.read_write.decoding import Decider, Decoding, decode, turns
from seqpo.tasks.read_write.source import Source
from seqpo.tasks.read_write.translator.network import Proposal
from tests.support.translators import (
    END,
    STOP,
    UNIT_STARTS,
    Look,
    Table,
    algorithm_1,
    models,
    shown,
    source,
    sources,
    wins,
)


def said(model: Table, decider: Decider, *words: int, limit: int = 9) -> str:
    return shown(decode(Decoding(model, UNIT_STARTS, limit), [source(*words)], decider)[0])


def echo(heard: tuple[int, ...], written: tuple[int, ...]) -> torch.Tensor:
    """Repeats the source word by word, 5 where it has run out of words, STOP at their end."""
    if len(written) < len(heard):
        return wins({STOP if heard[len(written)] == END else heard[len(written)]: 1.0})
    return wins({5: 1.0})


def test_wait_until_end_by_hand():
    assert said(Table(echo), WaitUntilEnd(), 3, 4, 5) == "r3 r3 r3 w3 w4 w5 w2"


def test_wait_one_step_by_hand():
    assert said(Table(echo), WaitOneStep(), 3, 4, 5) == "w3 r5 w4 r5 w5 r5 w2"


def test_wait_k_by_hand():
    assert said(Table(echo), WaitK(1), 3, 4, 5) == "w3 r5 w4 r5 w5 r5 w2"
    assert said(Table(echo), WaitK(2), 3, 4, 5) == "r3 w3 r4 w4 r5 w5 w2"
    assert said(Table(echo), WaitK(9), 3, 4, 5) == "r3 r3 r3 w3 w4 w5 w2"


def test_wait_k_finishes_a_word_that_has_begun():
    """3, 5 and 4 begin words, 6 and 7 go on with one; the lag counts words, not tokens."""
    target = (3, 6, 7, 5, 4, 6, STOP)
    spelling = Table(lambda heard, written: wins({target[len(written)]: 1.0}))
    assert said(spelling, WaitK(1), 3, 4, 5) == "w3 w6 w7 r5 w5 r4 w4 w6 r2 w2"
    assert said(spelling, WaitK(2), 3, 4, 5) == "r3 w3 w6 w7 r5 w5 r4 w4 w6 w2"


def test_each_stream_has_its_own_lag():
    """Above the three words, it waits until the end; a third stream takes over the slot of the one that ends first."""
    some = Decoding(Table(echo), UNIT_STARTS, 9, 2)
    found = decode(some, [source(3, 4, 5), source(3, 4), source(3, 4, 5)], WaitLags([4, 1, 2]))
    assert [shown(steps) for steps in found] == [
        said(Table(echo), WaitUntilEnd(), 3, 4, 5),
        said(Table(echo), WaitK(1), 3, 4),
        said(Table(echo), WaitK(2), 3, 4, 5),
    ]


def changing(heard: tuple[int, ...], written: tuple[int, ...]) -> torch.Tensor:
    """After one word 3; after two 4; after three 4 again, but less surely; at the end STOP."""
    if written and heard[-1] == END:
        return wins({STOP: 1.0})
    return wins({1: {3: 0.9, 4: 0.1}, 2: {4: 0.8, 3: 0.2}, 3: {4: 0.6, 3: 0.4}}.get(len(heard), {4: 0.5, 3: 0.4}))


def test_wait_if_diff_by_hand():
    """3 would become 4, so it waits; 4 stays, so it writes from two words; and when the end would tell it to stop."""
    assert said(Table(changing), WaitIfDiff(), 5, 5, 5, limit=2) == "r3 w4 w4"
    one_word = Table(lambda heard, written: wins({STOP if written and heard[-1] == END else 3: 1.0}))
    assert said(one_word, WaitIfDiff(), 5) == "w3 r3 w2"


def test_wait_if_worse_by_hand():
    """It waits while another word would make the candidate less likely: 3 at .9, 4 at .8, 4 at .6, to the end."""
    assert said(Table(changing), WaitIfWorse(), 5, 5, 5, limit=2) == "r3 r4 r4 w4 w2"
    surer = Table(lambda heard, written: wins({3: 1 - 0.5 ** len(heard), 4: 0.5 ** len(heard) / 2}))
    assert said(surer, WaitIfWorse(), 5, 5, 5, limit=2) == "w3 w3"


def test_a_look_two_words_ahead_is_read_in_two_steps():
    """Between one word and three: 3 would become 4, so both are read, without asking after the second."""
    assert said(Table(changing), WaitIfDiff(peek=2), 5, 5, 5, 5, limit=1) == "r3 r4 w4"
    assert said(Table(changing), WaitIfWorse(peek=2), 5, 5, 5, 5, limit=1) == "r3 r4 r4 r4 w4"


def test_first_words_are_read_without_a_look():
    assert said(Table(changing), WaitIfDiff(first=3), 5, 5, 5, 5, limit=1) == "r3 r4 w4"


def likelihood(proposal: Proposal, token: int) -> float:
    return float(proposal.logits.log_softmax(-1)[0, token])


def wait_if(first: int, peek: int, doubt: Callable[[Look, Proposal], bool]) -> Callable[[Look], bool]:
    """Cho and Esipova's loop: a context that grows to what was looked at, READ by READ."""
    owed = first - 1

    def decide(look: Look) -> bool:
        nonlocal owed
        if not owed and doubt(look, look.peek(peek)):
            owed = peek
        if owed:
            owed -= 1
            return False
        return True

    return decide


def becomes_worse(look: Look, ahead: Proposal) -> bool:
    return likelihood(ahead, look.candidate) < likelihood(look.proposal, look.candidate)


def becomes_another(look: Look, ahead: Proposal) -> bool:
    return int(ahead.logits.argmax()) != look.candidate


def keeps_lag(k: int, look: Look) -> bool:
    within = look.written and look.candidate in (0, 1, 6, 7)
    return bool(within) or sum(token in (3, 4, 5) for token in look.written) + k <= look.words_read


def plain(kind: str, first: int, peek: int) -> tuple[Decider, Callable[[], Callable[[Look], bool]]]:
    """A decider, and the same as a rule over one stream."""
    match kind:
        case "worse":
            return WaitIfWorse(first, peek), lambda: wait_if(first, peek, becomes_worse)
        case "diff":
            return WaitIfDiff(first, peek), lambda: wait_if(first, peek, becomes_another)
        case "one":
            return WaitOneStep(), lambda: lambda look: look.number % 2 == 0
        case "lag":
            return WaitK(first), lambda: partial(keeps_lag, first)
        case "end":
            return WaitUntilEnd(), lambda: lambda look: False
    raise AssertionError(kind)


# always the same examples: of two likelihoods that are equal but for rounding, a batch and a single row may differ
@settings(deadline=None, max_examples=80, derandomize=True)
@given(
    models,
    st.lists(sources, min_size=1, max_size=5),
    st.sampled_from(["worse", "diff", "one", "lag", "end"]),
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(1, 3),
)
def test_deciders_are_their_rules_in_plain_loops(model, many, kind, first, peek, slots):
    decoding = Decoding(model, UNIT_STARTS, limit=5, slots=slots)
    decider, rule = plain(kind, first, peek)
    for one, steps in zip(many, decode(decoding, many, decider), strict=True):
        assert shown(steps) == shown(algorithm_1(decoding, one, rule()))


@settings(deadline=None, max_examples=40)
@given(models, st.lists(sources, min_size=1, max_size=4), st.integers(1, 4))
def test_wait_k_keeps_its_lag(model, many, k):
    for one, steps in zip(many, decode(Decoding(model, UNIT_STARTS, limit=6), many, WaitK(k)), strict=True):
        read = begun = 0
        for words, answer in turns(steps, len(one.words)):
            read += words
            for token in answer:
                if (UNIT_STARTS[token] or token == STOP) and read < len(one.words):
                    assert begun <= read - k
                begun += int(UNIT_STARTS[token])


def test_segments_are_translated_each_on_its_own():
    """One knows only its own words; a delay is the end of the segment, the end mark the last one's only."""
    decoding = Decoding(Table(echo), UNIT_STARTS, limit=9)
    steps = translate_segments(decoding, [[source(3, 4), source(5)], [source(4, 5)]])
    assert shown(steps[0]) == "r3 w3 w4 r2 r5 w5 w2"
    assert turns(steps[0], 3) == ((1, ()), (1, (3, 4)), (1, ()), (0, (5, STOP)))
    assert shown(steps[1]) == "r4 r4 w4 w5 w2"


def test_segments_that_reach_the_limit_go_on_to_the_next():
    decoding = Decoding(Table(lambda heard, written: wins({3: 1.0})), UNIT_STARTS, limit=2)
    assert turns(translate_segments(decoding, [[source(4), source(5)]])[0], 2) == (
        (1, (3, 3)),
        (1, ()),
        (0, (3, 3)),
    )


@settings(deadline=None, max_examples=40)
@given(models, st.lists(st.lists(sources, min_size=1, max_size=3), max_size=4))
def test_segments_say_what_each_would_say_alone(model, sentences):
    decoding = Decoding(model, UNIT_STARTS, limit=4)
    for segments, steps in zip(sentences, translate_segments(decoding, sentences), strict=True):
        words = sum(len(segment.words) for segment in segments)
        assert sum(not step.wrote for step in steps) == words
        alone = [
            [step.token for step in steps if step.wrote and step.token != STOP]
            for steps in decode(decoding, segments, WaitUntilEnd())
        ]
        rebuilt = turns(steps, words)
        ends = [sum(len(segment.words) for segment in segments[: number + 1]) for number in range(len(segments))]
        for number, (end, said) in enumerate(zip(ends, alone, strict=True)):
            place = end if number == len(segments) - 1 else end - 1  # the last one is written after the end mark
            assert [token for token in rebuilt[place][1] if token != STOP] == said
        assert len(rebuilt) == words + 1


def test_a_segment_is_a_source():
    """With tokens of several pieces, too."""
    decoding = Decoding(Table(echo), UNIT_STARTS, limit=9)
    whole = Source(((3, 6), (4,)), (END,))
    assert translate_segments(decoding, [[whole]]) == decode(decoding, [whole], WaitUntilEnd())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: WaitK(0), "wait-k waits for one word or more, got k = 0"),
        (lambda: WaitIfDiff(first=0), "first and peek are one word or more, got 0 and 1"),
        (lambda: WaitIfWorse(peek=0), "first and peek are one word or more, got 1 and 0"),
    ],
)
def test_deciders_that_cannot_be_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
