"""Every advantage: a value by hand, and the plain loops."""

from __future__ import annotations

import inspect
from dataclasses import replace
from math import sqrt

import pytest
import torch
from hypothesis import given, settings

from seqpo import advantages
from seqpo.advantages import Advantage
from seqpo.advantages.reference import Batch, Episode, Start, Turn
from tests.support.advantage_batches import batches, compute, inputs_of, rows, segments_of
from tests.support.advantage_cases import CASES, Case

# Group 0: an episode of turns with rewards 1 and 3, of one token and two, and one of a token with reward 2.
# Group 1: an episode of two tokens with reward 5. So the returns are 4, 2 and 5, of 3, 1 and 2 tokens.
BY_HAND = Batch(
    episodes=(
        Episode(0, (Turn(1, (0.5,), state=0), Turn(3, (2.0, 1.0), state=1))),
        Episode(0, (Turn(2, (1.0,), state=0),)),
        Episode(1, (Turn(5, (4.0, 3.5), state=0),)),
    ),
    starts=(Start(number=3, greedy=1.0), Start(number=1, greedy=7.0)),
)

# By token: three, one, and two.
VALUES: dict[str, list[float]] = {
    "reinforce": [4, 4, 4, 2, 5, 5],
    # mean 3, sample variance (1² + 1²) / 1; nobody to compare with in group 1
    "grpo": [1 / sqrt(2)] * 3 + [-1 / sqrt(2)] + [0] * 2,
    "dr-grpo": [1, 1, 1, -1, 0, 0],
    # the other's return: 2, 4, and none
    "rloo": [2, 2, 2, -2, 0, 0],
    # less 1, and less 7
    "remax": [3, 3, 3, 1, -2, -2],
    # (3·4 + 1·2) / 4 = 3.5, and 5
    "opo": [0.5, 0.5, 0.5, -1.5, 0, 0],
    # all returns, about 11/3: (1 + 25 + 16) / 9 / 2 = 7/3
    "lite-ppo": [1 / sqrt(7 / 3)] * 3 + [-1 / sqrt(7 / 3)] + [0] * 2,
    # one episode of three tells nothing: 3 / (3 − 1)
    "gpg": [1.5, 1.5, 1.5, -1.5, 0, 0],
    # tokens 4, 3, 3, 2, 5, 5 about 22/6: thirds 1, −2, −2, −5, 4, 4, sample variance 66 / 9 / 5 = 22/15
    "reinforce++": [x / 3 / sqrt(22 / 15) for x in (1, -2, -2, -5, 4, 4)],
    # tokens 1, 1, 1, −1, 0, 0 about 1/3: thirds 2, 2, 2, −4, −1, −1, sample variance 30 / 9 / 5 = 2/3
    "reinforce++-baseline": [x / 3 / sqrt(2 / 3) for x in (2, 2, 2, -4, -1, -1)],
    # 4, 2, 5 about 11/3: thirds 1, −5, 4, sample variance 7/3
    "gdpo": [x / 3 / sqrt(7 / 3) for x in (1, 1, 1, -5, 4, 4)],
    # to go 4, 3 | 2 | 5; means 3 and 5 of first turns, 3 of the second: 1, 0, −1, 0 with sample variance 2/3
    "return-to-go": [sqrt(1.5), 0, 0, -sqrt(1.5), 0, 0],
    # episodes as in grpo; from state 0 of group 0 come 1 + 0.95·3 = 3.85 and 2: ±0.925 over 1.85/√2
    "gigpo": [2 / sqrt(2), 1 / sqrt(2), 1 / sqrt(2), -2 / sqrt(2), 0, 0],
    # less 0.5, 1 and 4
    "sppo": [3.5, 3.5, 3.5, 1, 1, 1],
    # to go 4, 3, 3 | 2 | 5, 5 less the values: 3.5, 1, 2 | 1 | 1, 1.5 about 10/6: sixths 11, −4, 2, −4, −4, −1,
    # sample variance 174 / 36 / 5 = 29/30
    "gae": [x / 6 / sqrt(29 / 30) for x in (11, -4, 2, -4, -4, -1)],
    # turns 4 − 0.5, 3 − 2, 2 − 1, 5 − 4 about 13/8: eighths 15, −5, −5, −5, variance 300 / 64 / 4
    "gu": [x / 8 / sqrt(75 / 64) for x in (15, -5, -5, -5, -5, -5)],
    # less 0.5 each, which whitening undoes: gdpo
    "spo": [x / 3 / sqrt(7 / 3) for x in (1, 1, 1, -5, 4, 4)],
}


def test_every_name_has_a_value_and_a_case():
    assert set(VALUES) == {case.name for case in CASES if not case.options} == set(advantages.names())


def test_every_loop_has_the_options_of_its_advantage():
    for name, entry in advantages.CATALOG.items():
        assert entry.reference is not None
        assert entry.reference.__name__ == entry.build.__name__
        _, *options = inspect.signature(entry.reference).parameters.values()
        defaults = {option.name: option.default for option in options}
        assert defaults == {p.name: p.default for p in inspect.signature(entry.build).parameters.values()}, name


def test_every_option_has_a_case():
    for name, entry in advantages.CATALOG.items():
        tried = {option for case in CASES if case.name == name for option in case.options}
        assert tried == set(inspect.signature(entry.build).parameters), name


def test_every_name_says_what_it_is():
    for name, entry in advantages.CATALOG.items():
        assert entry.summary.endswith("."), name
        assert entry.paper, name
        assert entry.formula, name


@pytest.mark.parametrize("name", VALUES)
def test_value_by_hand(name: str):
    assert compute(advantages.get(name), BY_HAND) == pytest.approx(VALUES[name], abs=1e-5)


@pytest.mark.parametrize("case", CASES, ids=str)
@settings(max_examples=40, deadline=None)
@given(batch=batches)
def test_equals_the_loops(case: Case, batch: Batch):
    assert compute(case.build(), batch) == pytest.approx(case.reference(batch), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("case", CASES, ids=str)
@settings(max_examples=10, deadline=None)
@given(batch=batches)
def test_where_nothing_was_cut_off_a_bootstrap_changes_nothing(case: Case, batch: Batch):
    ended = replace(batch, episodes=tuple(replace(episode, bootstrap=0.0) for episode in batch.episodes))
    rewards = torch.tensor([turn.reward for episode in ended.episodes for turn in episode.turns])
    inputs, segments = inputs_of(ended, case.build(), rewards.dtype), segments_of(ended)
    without = case.build()(rewards, segments, replace(inputs, bootstrap=None))
    assert torch.equal(case.build()(rewards, segments, inputs), without)


BOOTSTRAPPING = {"gae", "gu", "sppo-credit=return-to-go"}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_only_what_needs_a_critic_of_each_turn_or_token_goes_on_beyond_a_cut(case: Case):
    first, *others = BY_HAND.episodes
    cut = replace(BY_HAND, episodes=(replace(first, bootstrap=2.0), *others))
    changes = compute(case.build(), cut) != compute(case.build(), BY_HAND)
    assert changes == (case.name in BOOTSTRAPPING or str(case) in BOOTSTRAPPING)


@pytest.mark.parametrize("case", CASES, ids=str)
@settings(max_examples=10, deadline=None)
@given(batch=batches)
def test_every_token_of_a_unit_has_the_same(case: Case, batch: Batch):
    advantage: Advantage = case.build()
    for episode, tokens in zip(batch.episodes, rows(batch, compute(advantage, batch)), strict=True):
        found = iter(tokens)
        turns = [{next(found) for _ in turn.values} for turn in episode.turns]
        if advantage.level == "turn":
            assert all(len(turn) == 1 for turn in turns)
        elif advantage.level == "sequence":
            assert len(set().union(*turns)) == 1
