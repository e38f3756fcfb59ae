"""Whole sentences as demonstrations: which come when, what they are made of, and where they are cut."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqpo.tasks.read_write.translator.pairs import PairTask, fitting, whole_source
from seqpo.tasks.translation.corpora import Pair
from seqpo.tasks.translation.epochs import sentences_of
from seqpo.tasks.translation.renderer import plain_renderer
from tests.support.translation import renderer, sentences, tokenizer

PAIRS = (Pair("eins zwei drei vier", "one two three four"), Pair("fünf sechs", "five six six"), Pair("ja", "yes"))
TASK = PairTask(PAIRS, renderer())


def text(tokens: tuple[int, ...]) -> str:
    return tokenizer().decode(list(tokens)).strip()


def test_a_demonstration_is_the_whole_pair_with_its_end_marks():
    shown = {}
    for episode in TASK.demonstrations(3, step=0):
        (turn,) = episode.turns
        shown[text(turn.observation.tokens)] = text(turn.action)
        assert turn.logprobs == (0.0,) * len(turn.action)
    assert shown == {f"{pair.source}<|source-end|>": f"{pair.target}<|stop|>" for pair in PAIRS}


def test_sources_are_the_pieces_of_their_words():
    frame = renderer()
    words = [token for word in ("Ich", "weiß") for token in tokenizer().encode(" " + word, add_special_tokens=False)]
    assert whole_source(frame, "Ich  weiß") == (*words, *frame.source_end)
    chinese = plain_renderer(tokenizer(), "char", "char")
    assert text(whole_source(chinese, "我 知道")) == "我知道<|source-end|>"


def test_cut_pairs_are_beginnings_of_both_sides_without_end_marks():
    """Of four words one, two or three; of the translation as large a part, rounded, and one word at least."""
    task = replace(TASK, pairs=(*PAIRS, Pair("sieben acht neun", "seven")), prefixes=1.0)
    seen = {
        (text(turn.observation.tokens), text(turn.action))
        for step in range(60)
        for episode in task.demonstrations(4, step=step)
        for turn in episode.turns
    }
    assert seen == {
        ("eins", "one"),
        ("eins zwei", "one two"),
        ("eins zwei drei", "one two three"),
        ("fünf", "five six"),  # half of three words is rounded to two
        ("sieben", "seven"),  # a third of one word is none, but something is said
        ("sieben acht", "seven"),
        ("ja<|source-end|>", "yes<|stop|>"),  # one word can't be cut
    }


def test_as_many_are_cut_as_was_asked_for():
    task = PairTask(sentences(), renderer(), prefixes=0.25)
    episodes = [episode for step in range(20) for episode in task.demonstrations(50, step=step)]
    cut = sum(episode.turns[0].action[-1] != renderer().stop for episode in episodes)
    assert 0.2 < cut / len(episodes) < 0.3
    for episode in episodes:
        ends = episode.turns[0].observation.tokens[-1:] == renderer().source_end
        assert ends == (episode.turns[0].action[-1] == renderer().stop)


@given(st.integers(0, 20), st.integers(0, 3))
def test_demonstrations_are_a_function_of_seed_and_step(step: int, seed: int):
    task = PairTask(sentences(), renderer(), prefixes=0.5, seed=seed)
    assert task.demonstrations(7, step=step) == replace(task).demonstrations(7, step=step)
    assert task.demonstrations(7, step=step) != task.demonstrations(7, step=step + 1)
    assert task.demonstrations(7, step=step) != replace(task, seed=seed + 1).demonstrations(7, step=step)


@given(st.integers(1, 7), st.integers(1, 9), st.integers(1, 4), st.integers(0, 3))
def test_every_epoch_has_every_sentence_once(count: int, size: int, epochs: int, seed: int):
    places = [number for step in range(epochs * size) for number in sentences_of(step, count, size, seed)]
    for epoch in range(epochs):
        assert sorted(places[epoch * size : (epoch + 1) * size]) == list(range(size))


def test_pairs_with_a_long_side_are_left_out():
    frame = renderer()
    pieces = [(len(frame.source(pair.source.split())), len(frame.target(pair.target.split()))) for pair in PAIRS]
    for most in range(1, 40):
        fit = [pair for pair, sides in zip(PAIRS, pieces, strict=True) if max(sides) <= most]
        assert fitting(PAIRS, frame, most) == tuple(fit)
    assert 0 < len(fitting(PAIRS, frame, max(pieces[0]) - 1)) < 3


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_that_is_none_is_refused(share: float):
    with pytest.raises(ValueError, match=r"prefixes is a share of the demonstrations, in \[0, 1\]"):
        replace(TASK, prefixes=share)


def test_no_pairs_are_refused():
    with pytest.raises(ValueError, match="needs sentences"):
        PairTask((), renderer())
