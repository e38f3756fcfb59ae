"""Scripts: what a model is shown, what is made of its answers, and fixed policies on a real engine."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqpo.sessions import Engine, play
from seqpo.tasks.translation.dialogue import LAYOUTS, Layout, SourceDialogue, WaitK
from seqpo.tasks.translation.renderer import Renderer, plain_renderer
from seqpo.tasks.translation.schedules import aligned, full_sentence, wait_k
from seqpo.tasks.translation.units import Unit, join
from seqpo.tasks.translation.vocabulary import train_tokenizer
from tests.support.models import markov

GERMAN = ("Ich", "weiß,", "dass", "er", "kommt.")
ENGLISH = ["I", "know", "that", "he", "comes."]
CHINESE = list("我知道他会来。")
TOKENIZER = train_tokenizer(["Ich weiß, dass er kommt.", "I know that he comes.", "我知道他会来。"] * 3, 300)
WORDS = plain_renderer(TOKENIZER, "word", "word")
CHARACTERS = plain_renderer(TOKENIZER, "word", "char")


def test_what_is_shown_in_the_interleaved_layout():
    script = SourceDialogue(WORDS, GERMAN[:3], chunk=2)
    assert script.reads == [2, 1, 0]
    start, write, end = WORDS.opening, WORDS.closing, WORDS.source_end
    said, waited = (*WORDS.target(["I"]), WORDS.stop), (WORDS.stop,)
    first = script.observe([])
    assert first is not None
    assert first.tokens == start + WORDS.source(["Ich", "weiß,"]) + write
    second = script.observe([said])
    assert second is not None
    assert second.tokens == WORDS.source(["dass"]) + write
    last = script.observe([said, waited])
    assert last is not None
    assert last.tokens == end + write
    assert not any(shown.reset_context for shown in (first, second, last))
    assert script.observe([said, waited, waited]) is None


def test_an_answer_that_was_cut_off_gets_its_stop_token_before_the_next_chunk():
    script = SourceDialogue(WORDS, GERMAN[:2], chunk=1)
    for cut in ((), WORDS.target(["I"])):
        shown = script.observe([cut])
        assert shown is not None
        assert shown.tokens == (WORDS.stop, *WORDS.source(["weiß,"]), *WORDS.closing)


def test_what_is_shown_in_the_cumulative_layout():
    script = SourceDialogue(WORDS, GERMAN[:2], chunk=1, layout="cumulative")
    said = WORDS.target(["I"])
    shown = script.observe([(*said, WORDS.stop)])
    assert shown is not None
    assert shown.reset_context
    assert shown.tokens == WORDS.opening + WORDS.source(GERMAN[:2]) + WORDS.closing + said
    last = script.observe([(*said, WORDS.stop), (WORDS.stop,)])
    assert last is not None
    assert last.tokens == WORDS.opening + WORDS.source(GERMAN[:2]) + WORDS.source_end + WORDS.closing + said


def test_a_demonstration_by_hand():
    script = SourceDialogue(WORDS, GERMAN, chunk=2)
    episode = script.demonstrate(ENGLISH, [0, 1, 1, 3, 3, 5])
    written = [["I"], ["know", "that"], [], ["he", "comes."]]
    assert [turn.action for turn in episode.turns] == [(*WORDS.target(words), WORDS.stop) for words in written]
    trace = script.trace([turn.action for turn in episode.turns])
    # the end of the source is a turn that reads nothing; to a listener, all was written after the last chunk
    assert trace.turns == ((2, " I"), (2, " know that"), (1, ""), (0, " he comes."))
    assert trace.merged().turns == ((2, " I"), (2, " know that"), (1, " he comes."))
    assert trace.delays == (2, 4, 4, 5, 5)


def _delays(allowed: list[int], source: int, chunk: int) -> tuple[int, ...]:
    """For every target unit the end of the first chunk after which the schedule allows it."""
    ends = [*range(chunk, source, chunk), source]
    return tuple(next((end for end in ends if allowed[end - 1] > unit), source) for unit in range(allowed[-1]))


words = st.lists(st.sampled_from([*ENGLISH, "unseen", "Boxkämpfer", "3.5", "東京"]), min_size=1, max_size=8)
characters = st.lists(st.sampled_from([*CHINESE, "東", "魑", "，", "！"]), min_size=1, max_size=8)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("renderer", "unit", "targets"), [(WORDS, "word", words), (CHARACTERS, "char", characters)])
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_demonstration_is_traced_back(renderer: Renderer, unit: Unit, targets, layout: Layout, data):
    source = tuple(data.draw(words))
    target = data.draw(targets)
    links = st.tuples(st.integers(0, len(source) - 1), st.integers(0, len(target) - 1))
    schedule = data.draw(st.sampled_from(["wait-k", "aligned", "full"]))
    if schedule == "wait-k":
        allowed = wait_k(len(source), len(target), data.draw(st.integers(1, 6)))
    elif schedule == "aligned":
        allowed = aligned(len(source), len(target), data.draw(st.lists(links, max_size=8)), lag=1)
    else:
        allowed = full_sentence(len(source), len(target))
    chunk = data.draw(st.integers(1, 4))
    script = SourceDialogue(renderer, source, chunk, layout)
    episode = script.demonstrate(target, allowed)
    trace = script.trace([turn.action for turn in episode.turns])
    assert trace.text == join(target, unit)
    assert list(trace.units) == target
    assert trace.delays == _delays(allowed, len(source), chunk)
    # and the model was shown, turn by turn, what it would have been shown live
    answers = [turn.action for turn in episode.turns]
    shown = [script.observe(answers[:turn]) for turn in range(len(answers))]
    assert shown == [turn.observation for turn in episode.turns]
    assert script.observe(answers) is None


def test_latin_words_of_a_chinese_translation_stay_apart_over_turns():
    script = SourceDialogue(CHARACTERS, ("OpenAI", "Labs"), chunk=1)
    episode = script.demonstrate(["AI", "Labs"], [1, 2, 2])
    trace = script.trace([turn.action for turn in episode.turns])
    assert trace.units == ("AI", "Labs")
    assert trace.delays == (1, 2)


def test_a_schedule_that_does_not_fit_raises():
    script = SourceDialogue(WORDS, GERMAN[:2], chunk=1)
    for allowed in ([0, 0, 1], [1, 0, 2]):
        with pytest.raises(ValueError, match="a schedule must grow to the 2 units of its target"):
            script.demonstrate(["I", "know"], allowed)


# A translator that says one unit over and over, in single bytes, and stops whenever it is allowed to.
_BYTES = train_tokenizer(["a"], 260)


def _parrot(unit: Unit, piece: str) -> tuple[Renderer, Engine]:
    renderer = plain_renderer(_BYTES, "word", unit)
    first, *rest = renderer.target([piece])
    following = {a: {b: 1.0} for a, b in zip((first, *rest), rest, strict=False)}
    following[rest[-1]] = {renderer.stop: 9.0, first: 1.0}
    following[renderer.closing[0]] = {renderer.stop: 0.01, first: 1.0}
    model = markov(following, len(_BYTES))
    return renderer, Engine(model, stop=renderer.stop, slots=4, unit_starts=renderer.unit_starts)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("unit", "piece"), [("word", "abc"), ("char", "魑")])
def test_wait_k_writes_its_quota_in_every_turn(unit: Unit, piece: str, layout: Layout):
    renderer, engine = _parrot(unit, piece)
    scripts = [
        SourceDialogue(renderer, ("x",) * length, chunk, layout, WaitK(k))
        for length in (1, 4, 7)
        for chunk in (1, 2, 3)
        for k in (1, 2, 3, 5, None)
    ]
    for script, turns in zip(scripts, play(engine, scripts, limit=60), strict=True):
        source, chunk, lag = len(script.source), script.chunk, script.quota
        trace = script.trace([answer.tokens for _, answer in turns])
        assert isinstance(lag, WaitK)
        k = lag.k if lag.k is not None else math.inf
        # unit i (from 1) is written when k + i − 1 source units are read, at the end of their chunk
        scheduled = tuple(min(math.ceil((k + i) / chunk) * chunk, source) for i in range(source) if k + i <= source)
        # then the translator, free to stop, says one more after an empty answer, or stops at once after a unit
        free = () if layout == "cumulative" and scheduled else (source,)
        assert trace.delays == scheduled + free
        assert set(trace.units) == {piece}


def test_a_quota_lets_the_model_end_its_last_unit():
    renderer, engine = _parrot("word", "abc")
    script = SourceDialogue(renderer, ("x", "x"), chunk=1, quota=WaitK(1))
    (turns,) = play(engine, [script], limit=60)
    # stopping was out of the question before the unit was begun, and possible once it was
    assert turns[0][1].tokens == (*renderer.target(["abc"]), renderer.stop)
    assert turns[0][1].logprobs[0] == pytest.approx(0.0, abs=1e-4)
