"""Simultaneous greedy decoding: the paper's algorithm, whatever runs beside it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seqpo.tasks.read_write.decoding import Decoding, Step, View, decode, turns
from seqpo.tasks.read_write.source import Source
from seqpo.tasks.read_write.translator.network import RecurrentTranslator, TranslatorConfig
from tests.support.translators import (
    END,
    START,
    STOP,
    UNIT_STARTS,
    VOCABULARY,
    Scripted,
    Table,
    algorithm_1,
    following,
    models,
    random_table,
    shown,
    source,
    sources,
    tiny_translator,
    wins,
)

scripts = st.lists(st.booleans(), max_size=12)
streams = st.lists(st.tuples(sources, scripts), min_size=1, max_size=7)


def always(view: View) -> torch.Tensor:
    return torch.ones_like(view.exhausted)


def never(view: View) -> torch.Tensor:
    return torch.zeros_like(view.exhausted)


@settings(deadline=None, max_examples=80)
@given(models, streams, st.integers(1, 6), st.integers(1, 4))
def test_all_streams_together_are_algorithm_1_one_by_one(model, streams, limit, slots):
    """Whatever is decided: the same actions and tokens, also where streams take over each other's rows."""
    decoding = Decoding(model, UNIT_STARTS, limit, slots)
    decoded = decode(decoding, [source for source, _ in streams], Scripted([script for _, script in streams]))
    for (one, script), steps in zip(streams, decoded, strict=True):
        assert shown(steps) == shown(algorithm_1(decoding, one, following(script)))


@settings(deadline=None, max_examples=60)
@given(models, st.lists(st.tuples(sources, scripts), max_size=7), st.integers(1, 6), st.integers(1, 4))
def test_a_stream_reads_no_more_than_there_is_and_ends(model, streams, limit, slots):
    decoding = Decoding(model, UNIT_STARTS, limit, slots)
    decoded = decode(decoding, [one for one, _ in streams], Scripted([script for _, script in streams]))
    assert len(decoded) == len(streams)
    for (one, _), steps in zip(streams, decoded, strict=True):
        written = [step.token for step in steps if step.wrote]
        assert sum(not step.wrote for step in steps) <= len(one.words)  # the first word's READ is no decision
        assert steps[-1].wrote
        assert STOP not in written[:-1]
        assert written[-1] == STOP or len(written) == limit


def counting(heard: tuple[int, ...], written: tuple[int, ...]) -> torch.Tensor:
    """Repeats the source, and proposes 7 where it has run out of words, STOP at their end."""
    if len(written) < len(heard):
        return wins({STOP if heard[len(written)] == END else heard[len(written)]: 1.0})
    return wins({7: 1.0})


def test_reading_and_writing_by_hand():
    decoding = Decoding(Table(counting), UNIT_STARTS, limit=9)
    script = [True, False, False, True, True]
    assert shown(decode(decoding, [source(3, 4, 5)], Scripted([script]))[0]) == "w3 r7 r4 w4 w5 w7 w7 w7 w7 w7 w7"
    waited = [True, False, False, True, True, False]
    assert shown(decode(decoding, [source(3, 4, 5)], Scripted([waited]))[0]) == "w3 r7 r4 w4 w5 r7 wSTOP".replace(
        "STOP", str(STOP)
    )


def test_the_end_is_read_once_and_then_writing_is_forced():
    decoding = Decoding(Table(counting), UNIT_STARTS, limit=9)
    assert shown(decode(decoding, [source(3, 4)], never)[0]) == "r3 r3 w3 w4 w2"
    assert shown(decode(decoding, [source(3)], never)[0]) == "r3 w3 w2"


def test_a_word_is_read_with_all_its_tokens():
    decoding = Decoding(Table(counting), UNIT_STARTS, limit=2)
    assert shown(decode(decoding, [Source(((3, 6), (4, 7, 6)), (END, END))], always)[0]) == "w3 w6"
    heard: list[list[int]] = []

    def listening(view: View) -> torch.Tensor:
        heard.append([*view.reading.states_read.tolist(), *view.words_read.tolist(), *view.exhausted.tolist()])
        return never(view)

    decode(decoding, [Source(((3, 6), (4, 7, 6)), (END, END))], listening)
    assert heard == [[2, 1, False], [5, 2, False], [7, 2, True], [7, 2, True]]


def test_a_limit_ends_what_would_not_stop():
    decoding = Decoding(Table(lambda heard, written: wins({3: 1.0})), UNIT_STARTS, limit=4)
    assert shown(decode(decoding, [source(5)], always)[0]) == "w3 w3 w3 w3"


def test_deciders_are_told_slots_that_streams_keep():
    """And the first decision of each stream, where what was known of a slot is to be forgotten."""
    seen: dict[int, list[tuple[int, bool]]] = {}

    def noting(view: View) -> torch.Tensor:
        for stream, slot, fresh in zip(view.streams, view.slots.tolist(), view.fresh.tolist(), strict=True):
            seen.setdefault(stream, []).append((slot, fresh))
        return view.words_read > 1

    many = [source(*[3] * (1 + number % 4)) for number in range(9)]
    decode(Decoding(random_table(0), UNIT_STARTS, limit=5, slots=3), many, noting)
    assert sorted(seen) == list(range(9))
    for notes in seen.values():
        slots, fresh = zip(*notes, strict=True)
        assert len(set(slots)) == 1
        assert 0 <= slots[0] < 3
        assert fresh == (True, *[False] * (len(fresh) - 1))


def test_equal_sources_are_annotated_once():
    class Counting(Table):
        annotated = 0

        def encode(self, source, after=None):
            self.annotated += len(source)
            return super().encode(source, after)

    model = Counting(counting)
    decode(Decoding(model, UNIT_STARTS, slots=2), [source(3, 4), source(5), source(3, 4)] * 3, never)
    assert model.annotated == 2


def test_attention_is_recorded_where_asked_for():
    decoding = Decoding(tiny_translator(), UNIT_STARTS, limit=3)
    many = [source(3, 4), source(3, 4, 5, 6)]
    for one, steps in zip(many, decode(decoding, many, never, attention=True), strict=True):
        read = 1
        for step in steps:
            assert step.attention is not None
            assert step.attention.shape == (len(one.tokens),)
            np.testing.assert_allclose(step.attention.sum(), 1, rtol=1e-5)
            assert (step.attention > 0).tolist() == [place < read for place in range(len(one.tokens))]
            read += not step.wrote
    assert decode(decoding, many, never)[0][0].attention is None


def test_steps_tell_who_read_and_wrote_what():
    steps = (Step(True, 5), Step(False, 6), Step(False, 6), Step(True, 7), Step(True, 4), Step(False, 2), Step(True, 2))
    assert turns(steps, 3) == ((1, (5,)), (1, ()), (1, (7, 4)), (0, (2,)))
    assert turns(steps[:1], 3) == ((1, (5,)),)


def test_streams_in_float32_are_served_too():
    decoded = decode(Decoding(tiny_translator(dtype=torch.float32), UNIT_STARTS, limit=4), [source(3, 4)], never)
    assert decoded[0][-1].wrote


@pytest.mark.parametrize(("words", "end"), [((), (END,)), (((3,), ()), (END,)), (((3,),), ())])
def test_sources_with_nothing_to_read_are_refused(words, end):
    with pytest.raises(ValueError, match="a source needs a word, and tokens in every word and in its end mark"):
        Source(words, end)


def test_environments_that_cannot_be_are_refused():
    model = tiny_translator()
    with pytest.raises(ValueError, match="limit and slots must be positive, got 0 and 1"):
        Decoding(model, UNIT_STARTS, 0, 1)
    with pytest.raises(ValueError, match="unit_starts tells of 2 tokens, the translator knows 8"):
        Decoding(model, UNIT_STARTS[:2])
    training = RecurrentTranslator(TranslatorConfig(2, 2, 2), VOCABULARY, start=START, stop=STOP)
    with pytest.raises(ValueError, match=r"in training mode.*call its eval\(\)"):
        Decoding(training, UNIT_STARTS)
