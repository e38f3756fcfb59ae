"""Live translation with a language model: what the evaluation sees, whenever units arrive and whoever else is there."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqpo.runs.systems import Event, Stream, Streams
from seqpo.sessions import Engine, play
from seqpo.tasks.translation.dialogue import LAYOUTS, Layout, SourceDialogue
from seqpo.tasks.translation.renderer import Renderer
from seqpo.tasks.translation.streams import ModelStreams
from seqpo.tasks.translation.traces import Trace
from tests.support.streams import drain, interleaved, interleavings, live_trace
from tests.support.translation import renderer, sentences, translator

LIMIT = 3


@cache
def frame() -> Renderer:
    return renderer()


def new_engine(slots: int = 4) -> Engine:
    return Engine(translator().model, stop=frame().stop, slots=slots)


@cache
def engine() -> Engine:
    return new_engine()


def streams(layout: Layout = "interleaved", chunk: int = 2, on: Engine | None = None) -> ModelStreams:
    return ModelStreams(on or engine(), frame(), layout, chunk, LIMIT)


def words(number: int) -> tuple[str, ...]:
    return tuple(sentences()[number].source.split())


@cache
def evaluated(source: tuple[str, ...], chunk: int, layout: Layout) -> Trace:
    script = SourceDialogue(frame(), source, chunk, layout)
    [turns] = play(new_engine(1), [script], limit=LIMIT)
    return script.trace([answer.tokens for _, answer in turns]).merged()


def test_they_are_streams():
    made: Streams = streams()
    stream: Stream = made.open()
    assert made.unit == "word"
    stream.close()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("chunk", [1, 2, 5])
def test_live_and_evaluated_translations_are_the_same(layout: Layout, chunk: int):
    made, encode_source = streams(layout, chunk), 0
    for number in range(6):
        source, stream = words(number), made.open()
        events: list[Event] = []
        for word in source:
            stream.feed([word])
            events += drain(made, stream)
            assert len(events) == sum(len(event.source) for event in events) / chunk  # full chunks
        stream.end()
        events += drain(made, stream)
        assert stream.done
        assert [event.source for event in events[:-1]] == [source[i : i + chunk] for i in range(0, len(source), chunk)]
        assert events[-1].source == ()
        assert [event.reads for event in events] == list(accumulate(len(event.source) for event in events))
        trace, live = evaluated(source, chunk, layout), live_trace(source, events)
        assert (live.text, live.delays, live.waits) == (trace.text, trace.delays, trace.waits)
        encode_source += sum(bool(event.text.strip()) for event in events)
    assert encode_source > 6
    assert engine().free == 4


@settings(deadline=None, max_examples=25)
@given(interleavings(most=9), st.sampled_from(LAYOUTS), st.integers(1, 4))
def test_a_stream_is_the_same_alone_and_among_others(plan, layout: Layout, chunk: int):
    sources = [words(number)[:length] for number, length in enumerate(plan.lengths)]
    found = interleaved(streams(layout, chunk), sources, plan.moves)
    for source, events in zip(sources, found, strict=True):
        if not source:
            assert events == []
            continue
        trace, live = evaluated(source, chunk, layout), live_trace(source, events)
        assert (live.text, live.delays) == (trace.text, trace.delays)
    assert engine().free == 4


def passes(sources: Sequence[tuple[str, ...]]) -> int:
    on = new_engine()
    made = streams(on=on)
    under_way = [made.open() for _ in sources]
    for stream, source in zip(under_way, sources, strict=True):
        stream.feed(source)
        stream.end()
    while made.step():
        pass
    assert all(stream.done for stream in under_way)
    return on.passes


def test_two_clients_share_passes():
    alone = [passes([words(number)]) for number in (0, 1)]
    assert min(alone) > 5
    assert passes([words(0), words(1)]) == max(alone)


def test_nothing_is_done_without_a_chunk():
    made = streams(chunk=3)
    stream = made.open()
    stream.feed(["Der", "Hund"])
    assert not made.step()
    assert stream.events() == []
    stream.feed(["bellt."])
    assert made.step()
    stream.close()


def test_a_source_without_units_is_done_at_once():
    made = streams()
    stream = made.open()
    stream.end()
    assert stream.done
    assert engine().free == 4
    assert not made.step()
    assert stream.events() == []


def test_who_leaves_in_the_middle_frees_the_place_and_disturbs_nobody():
    on = new_engine(2)
    made = streams(on=on)
    first, second = made.open(), made.open()
    with pytest.raises(RuntimeError, match="all 2 slots are taken"):
        made.open()
    for stream in (first, second):
        stream.feed(words(0))
        stream.end()
    assert made.step()
    first.close()
    first.close()  # which is no harm
    third = made.open()
    third.feed(words(1))
    third.end()
    events = drain(made, second)
    assert live_trace(words(0), events).text == evaluated(words(0), 2, "interleaved").text
    assert live_trace(words(1), drain(made, third)).text == evaluated(words(1), 2, "interleaved").text
    assert not first.done
    assert on.free == 2


def test_new_weights_end_old_streams_and_not_new_ones():
    on = new_engine(2)
    made = streams(on=on)
    stale = made.open()
    stale.feed(words(0))
    assert made.step()
    on.update_weights({})
    fresh = made.open()
    for move in (lambda: stale.feed(["ja"]), stale.end, made.step):
        with pytest.raises(RuntimeError, match="belongs to policy version 0, the engine is at 1"):
            move()
    stale.close()
    fresh.feed(words(0))
    fresh.end()
    assert live_trace(words(0), drain(made, fresh)).text == evaluated(words(0), 2, "interleaved").text
    assert on.free == 2


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="chunk and limit must be positive, got 0 and 3"):
        streams(chunk=0)
    stream = streams().open()
    with pytest.raises(ValueError, match="a source unit is not empty"):
        stream.feed(["ja", ""])
    stream.end()
    stream.end()  # once more is no harm
    with pytest.raises(RuntimeError, match="this source is over: open another stream"):
        stream.feed(["ja"])
    stream.close()
    for move in (lambda: stream.feed(["ja"]), stream.end):
        with pytest.raises(RuntimeError, match="this stream is closed"):
            move()
