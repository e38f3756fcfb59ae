"""Live READ and WRITE: what the evaluation sees, whenever words arrive and whoever else is there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from seqpo.runs.systems import Event, Stream, Streams
from seqpo.tasks.read_write.agent import Agent, AgentConfig, AskAgent
from seqpo.tasks.read_write.deciders import WaitIfDiff, WaitIfWorse, WaitK, WaitOneStep, WaitUntilEnd
from seqpo.tasks.read_write.decoding import Decider, Decoding, View, decode, turns
from seqpo.tasks.read_write.streams import AgentStreams
from seqpo.tasks.read_write.task import encode_source, record
from seqpo.tasks.read_write.translator.network import RecurrentTranslator, TranslatorConfig
from seqpo.tasks.translation.renderer import Renderer, plain_renderer
from seqpo.tasks.translation.traces import Trace
from tests.support.streams import drain, interleaved, interleavings, live_trace
from tests.support.translation import renderer, sentences

SLOTS, LIMIT = 4, 12


@cache
def frame() -> Renderer:
    return renderer()


class Counting(RecurrentTranslator):
    """Counts what it is asked, and notes what it is given to encode, without padding."""

    calls = tokens = steps = 0
    encoded: tuple[int, ...] = ()

    def encode(self, source: Tensor, after: Tensor | None = None) -> Tensor:
        self.calls += 1
        self.encoded += tuple(source[source != 0].tolist())
        self.tokens = len(self.encoded)
        return super().encode(source, after)

    def propose(self, state: Tensor, *rest: Tensor) -> object:  # type: ignore[override]
        self.steps += 1
        return super().propose(state, *rest)


def new_translator(seed: int = 0, *, stops: float = 1.0) -> Counting:
    """One with preferences; it stops sooner the higher `stops` is."""
    torch.manual_seed(seed)
    size = len(frame().tokenizer)
    made = Counting(TranslatorConfig(4, 6, 5), size, start=frame().opening[0], stop=frame().stop).double().eval()
    with torch.no_grad():
        for weight in made.parameters():
            weight.mul_(4)
        made.bias.normal_()
        made.bias[frame().stop] = stops
    return made


def new_decoding(seed: int = 0, *, stops: float = 1.0, slots: int = SLOTS, limit: int = LIMIT) -> Decoding:
    return Decoding(new_translator(seed, stops=stops), frame().unit_starts, limit, slots)


@cache
def agent(seed: int) -> Agent:
    torch.manual_seed(seed)
    made = Agent(2 * 6 + 4, AgentConfig(8)).double().requires_grad_(False)
    made.head.weight.mul_(100)  # neither READ nor WRITE all the time
    return made


def asks(seed: int) -> Callable[[], Decider]:
    return lambda: AskAgent(agent(seed), SLOTS)


DECIDERS: dict[str, Callable[[], Decider]] = {
    **{f"agent {seed}": asks(seed) for seed in range(4)},
    "wait-1": lambda: WaitK(1),
    "wait-3": lambda: WaitK(3),
    "one step": WaitOneStep,
    "end": WaitUntilEnd,
}


def words(number: int) -> tuple[str, ...]:
    return tuple(sentences()[number].source.split())


def evaluated(decoding: Decoding, source: Sequence[str], decider: Decider) -> Trace:
    [steps] = decode(decoding, [encode_source(frame(), source)], decider)
    return record(frame(), source, turns(steps, len(source)))


def translated(streams: AgentStreams, source: Sequence[str]) -> list[Event]:
    """All of a source at once."""
    stream = streams.open()
    stream.feed(source)
    stream.end()
    events = drain(streams, stream)
    assert stream.done
    return events


def test_they_are_streams():
    made: Streams = AgentStreams(new_decoding(), frame(), WaitK(1))
    stream: Stream = made.open()
    assert made.unit == "word"
    stream.close()


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 9), st.sampled_from([-9.0, 1.0, 4.0]), st.sampled_from(sorted(DECIDERS)), st.integers(1, 12))
def test_live_and_evaluated_translations_are_the_same(seed: int, stops: float, name: str, length: int):
    """Also where the stop token comes early, or never; told word by word, and all that is known is told at once."""
    decoding, source = new_decoding(seed, stops=stops), words(seed)[:length]
    expected = evaluated(decoding, source, DECIDERS[name]())
    streams = AgentStreams(decoding, frame(), DECIDERS[name]())
    stream, events = streams.open(), list[Event]()
    for number, word in enumerate(source, start=1):
        stream.feed([word])
        events += drain(streams, stream)
        assert len(events) >= number - 1  # this word's event may wait for the WRITEs after it alone
        heard = "".join(event.text for event in events)
        assert heard == "".join(piece for _, piece in expected.turns).lstrip()[: len(heard)]
    stream.end()
    events += drain(streams, stream)
    assert stream.done
    assert [event.source for event in events] == [*((word,) for word in source), ()]
    assert [event.reads for event in events] == [*range(1, len(source) + 1), len(source)]
    live = live_trace(source, events)
    assert (live.text, live.delays) == (expected.text, expected.delays)


def test_agents_read_and_write_in_turn():
    """Or the tests here would compare nothing."""
    delays = {
        delay
        for seed in range(4)
        for number in range(4)
        for delay in evaluated(new_decoding(seed, stops=-9), words(number), DECIDERS[f"agent {seed}"]()).delays
    }
    assert len(delays) > 4


@settings(deadline=None, max_examples=50)
@given(interleavings(most=9), st.integers(0, 3), st.sampled_from([-9.0, 1.0, 4.0]), st.sampled_from(sorted(DECIDERS)))
def test_a_stream_is_the_same_alone_and_among_others(plan, seed: int, stops: float, name: str):
    decoding = new_decoding(seed, stops=stops)
    sources = [words(number)[:length] for number, length in enumerate(plan.lengths)]
    streams = AgentStreams(decoding, frame(), DECIDERS[name]())
    for source, events in zip(sources, interleaved(streams, sources, plan.moves), strict=True):
        if not source:
            assert events == []
            continue
        trace, live = evaluated(decoding, source, DECIDERS[name]()), live_trace(source, events)
        assert (live.text, live.delays) == (trace.text, trace.delays)


def test_what_is_heard_is_encoded_once():
    """A source of 300 words costs the encoder no token twice, and the translator one step a decision."""
    source = [word for number in range(50) for word in words(number)][:300]
    decoding, decider = new_decoding(stops=-1e9, limit=310), WaitOneStep()
    translator = decoding.translator
    assert isinstance(translator, Counting)
    streams = AgentStreams(decoding, frame(), decider)
    stream, counts = streams.open(), list[tuple[int, int]]()
    for word in source:
        tokens, steps = translator.tokens, translator.steps
        stream.feed([word])
        while streams.step():
            pass
        counts.append((translator.tokens - tokens, translator.steps - steps))
    assert counts == [(len(frame().source([word])), 2) for word in source]
    assert translator.calls == len(source)
    stream.end()
    events = drain(streams, stream)
    assert translator.steps == 2 * 300 + 10  # after the end mark, up to the limit
    live, expected = live_trace(source, events), evaluated(decoding, source, decider)
    assert (live.text, live.delays) == (expected.text, expected.delays)


def test_two_clients_share_steps():
    def steps(numbers: Sequence[int]) -> int:
        decoding = new_decoding(stops=-9)
        streams = AgentStreams(decoding, frame(), WaitK(1))
        for number in numbers:
            stream = streams.open()
            stream.feed(words(number))
            stream.end()
        while streams.step():
            pass
        assert isinstance(decoding.translator, Counting)
        return decoding.translator.steps

    assert steps([0, 1]) == max(steps([0]), steps([1])) > 5


def test_a_read_waits_for_its_word_and_holds_up_nobody():
    decoding = new_decoding(stops=-9)
    streams = AgentStreams(decoding, frame(), WaitUntilEnd())
    idle, busy = streams.open(), streams.open()
    assert not streams.step()
    idle.feed(words(0)[:2])
    busy.feed(words(1))
    busy.end()
    told = drain(streams, busy)
    assert [event.source for event in idle.events()] == [(word,) for word in words(0)[:2]]
    assert not idle.done
    assert live_trace(words(1), told).text == evaluated(decoding, words(1), WaitUntilEnd()).text


def test_what_comes_after_an_early_stop_is_told_and_not_translated():
    decoding = new_decoding(stops=1e9)
    streams = AgentStreams(decoding, frame(), WaitK(1))
    stream = streams.open()
    stream.feed(["der", "alte"])
    assert streams.step()
    assert stream.events() == [Event(("der",), "", 1), Event(("alte",), "", 2)]
    stream.feed(["Mann"])
    assert not streams.step()
    assert stream.events() == [Event(("Mann",), "", 3)]
    stream.end()
    assert stream.done
    assert stream.events() == [Event((), "", 3)]
    assert isinstance(decoding.translator, Counting)
    assert decoding.translator.tokens == len(frame().source(["der"]))


def test_a_source_without_units_is_done_at_once():
    streams = AgentStreams(new_decoding(slots=1), frame(), WaitK(1))
    stream = streams.open()
    stream.end()
    assert stream.done
    assert stream.events() == []
    assert not streams.step()
    assert translated(streams, words(0))


@pytest.mark.parametrize("name", ["agent 0", "agent 1", "wait-1"])
def test_who_leaves_in_the_middle_frees_the_place_and_leaves_nothing_behind(name: str):
    decoding = new_decoding(stops=-9, slots=2)
    streams = AgentStreams(decoding, frame(), DECIDERS[name]())
    first, second = streams.open(), streams.open()
    with pytest.raises(RuntimeError, match="all 2 slots are taken: close a stream first"):
        streams.open()
    for stream in (first, second):
        stream.feed(words(0))
    for _ in range(4):
        assert streams.step()
    first.close()
    first.close()  # which is no harm
    third = streams.open()
    for source, stream in ((words(1), third), ((), second)):
        if source:
            stream.feed(source)
        stream.end()
    told = drain(streams, second)
    for source, events in ((words(0), told), (words(1), third.events())):
        assert live_trace(source, events).text == evaluated(decoding, source, DECIDERS[name]()).text
    assert not first.done
    with pytest.raises(RuntimeError, match="this stream is closed"):
        first.feed(["ja"])


def test_words_bring_the_space_before_them_but_for_the_first():
    """However long it waits."""
    decoding = new_decoding(limit=3)
    words_of_one = [token for token in frame().unit_starts.nonzero().flatten().tolist() if frame().pieces([[token]])[0]]
    [said] = frame().pieces([words_of_one[-1:]])
    assert said.startswith(" ")
    assert said.strip()
    with torch.no_grad():
        decoding.translator.bias[words_of_one[-1]] = 1e9
    events = translated(AgentStreams(decoding, frame(), WaitUntilEnd()), ["der", "Mann"])
    assert [event.text for event in events] == ["", "", (said * 3).lstrip()]
    events = translated(AgentStreams(decoding, frame(), WaitOneStep()), ["der", "Mann"])
    assert [event.text for event in events] == [said.lstrip(), said, said]


def test_sources_without_spaces():
    """A Latin run after another brings the space that stands between them."""
    characters = plain_renderer(frame().tokenizer, "char", "word")
    source = ("我", "US", "dollar", "买", "。")
    decoding = new_decoding(stops=-9)
    streams = AgentStreams(decoding, characters, WaitOneStep())
    assert streams.unit == "char"
    [steps] = decode(decoding, [encode_source(characters, source)], WaitOneStep())
    expected = record(characters, source, turns(steps, len(source)))
    live = live_trace(source, translated(streams, source))
    assert len(expected.turns) == len(source)
    whole = encode_source(characters, source).tokens
    assert isinstance(decoding.translator, Counting)
    assert decoding.translator.encoded == whole + whole
    assert (live.text, live.delays) == (expected.text, expected.delays)


def test_who_looks_ahead_is_refused():
    for decider in (WaitIfWorse(), WaitIfDiff()):
        with pytest.raises(ValueError, match=rf"{type(decider).__name__} looks at words before .* such as an agent"):
            AgentStreams(new_decoding(), frame(), decider)

    def peeking(view: View) -> Tensor:
        assert view.peek(0).logits.equal(view.proposal.logits)
        return view.peek(1).candidate == view.candidate

    streams = AgentStreams(new_decoding(), frame(), peeking)
    streams.open().feed(["ja"])
    with pytest.raises(ValueError, match="a live source cannot be looked ahead in"):
        streams.step()
