"""Objectives that become another one, where an option, a shape or an advantage takes the difference away."""

from __future__ import annotations

import inspect
import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seqpo import objectives
from seqpo.objectives.reference import Step, count
from seqpo.segments import LEVELS, Level
from tests.support.objective_steps import Measured, make_step, measure, scales, seeds, shapes, steps

few = settings(max_examples=25, deadline=None)
shared_steps = st.builds(make_step, shapes, seeds, scales)
"""Steps whose tokens share the advantage of their episode."""

LEVELLED = [name for name, entry in objectives.CATALOG.items() if "level" in inspect.signature(entry.build).parameters]


def _assert_same(one: Measured, other: Measured, rtol: float = 1e-11) -> None:
    """The same value and gradient."""
    assert one[0] == pytest.approx(other[0], rel=rtol, abs=1e-13)
    torch.testing.assert_close(one[1], other[1], rtol=rtol, atol=max(1e-13, rtol * 1e-3))


@few
@given(step=steps, gate=st.sampled_from(["arctan", "tanh", "softsign", "erf"]), level=st.sampled_from(LEVELS))
def test_a_soft_gate_without_temperature_is_gspo_without_clip(step: Step, gate: str, level: Level):
    unclipped = objectives.get("gspo", level=level, epsilon_low=1e9, epsilon_high=1e9)
    soft = objectives.get("sspo", gate=gate, level=level, tau_pos=1e-9, tau_neg=1e-9)
    _assert_same(measure(soft, step), measure(unclipped, step), rtol=1e-6)


@few
@given(step=steps, level=st.sampled_from(LEVELS))
def test_an_infinite_clamp_is_gspo_without_clip(step: Step, level: Level):
    unclipped = objectives.get("gspo", level=level, epsilon_low=1e9, epsilon_high=1e9)
    _assert_same(measure(objectives.get("gmpo", level=level, epsilon=math.inf), step), measure(unclipped, step))


@pytest.mark.parametrize("name", LEVELLED)
@few
@given(
    lengths=st.lists(st.integers(1, 6), min_size=1, max_size=4), seed=seeds, scale=scales, vary=st.sampled_from(LEVELS)
)
def test_an_episode_of_one_turn_is_that_turn(name: str, lengths: list[int], seed: int, scale: float, vary: Level):
    step = make_step([[length] for length in lengths], seed, scale, vary)
    of_turns, of_sequences = (measure(objectives.get(name, level=level), step) for level in ("turn", "sequence"))
    _assert_same(of_turns, of_sequences)
    assert of_turns[2] == pytest.approx(of_sequences[2])


@pytest.mark.parametrize("name", LEVELLED)
@few
@given(
    turns=st.lists(st.integers(1, 6), min_size=1, max_size=4), seed=seeds, scale=scales, vary=st.sampled_from(LEVELS)
)
def test_a_turn_of_one_token_is_that_token(name: str, turns: list[int], seed: int, scale: float, vary: Level):
    step = make_step([[1] * length for length in turns], seed, scale, vary)
    of_turns, of_tokens = (measure(objectives.get(name, level=level), step) for level in ("turn", "token"))
    _assert_same(of_turns, of_tokens)
    assert of_turns[2] == pytest.approx(of_tokens[2])


@few
@given(step=shared_steps)
def test_gspo_token_is_gspo_where_the_advantage_is_shared(step: Step):
    by_token, by_sequence = measure(objectives.get("gspo-token"), step), measure(objectives.get("gspo"), step)
    _assert_same(by_token, by_sequence)
    assert by_token[2] == pytest.approx(by_sequence[2])


@few
@given(length=st.integers(1, 6), episodes=st.integers(1, 4), seed=seeds, scale=scales)
def test_luspo_is_gspo_times_the_length(length: int, episodes: int, seed: int, scale: float):
    step = make_step([[length]] * episodes, seed, scale)
    value, slope, _ = measure(objectives.get("gspo", epsilon_low=2e-3, epsilon_high=2.5e-3), step)
    longer, steeper, seen = measure(objectives.get("luspo"), step)
    _assert_same((longer, steeper, seen), (length * value, [length * s for s in slope], seen))


@few
@given(episodes=st.integers(1, 5), seed=seeds, scale=scales)
def test_one_token_has_one_mean(episodes: int, seed: int, scale: float):
    step = make_step([[1]] * episodes, seed, scale)
    _assert_same(measure(objectives.get("hmpo"), step), measure(objectives.get("gmpo"), step))


@few
@given(shape=st.lists(st.integers(1, 4), min_size=1, max_size=3), seed=seeds, scale=scales)
def test_harmonic_geometric_and_arithmetic_means_are_in_order(shape: list[int], seed: int, scale: float):
    drawn = make_step([shape], seed, scale)
    step = [[[replace(token, advantage=1.0) for token in turn] for turn in drawn[0]]]
    unclamped = {"epsilon": math.inf}
    harmonic = -measure(objectives.get("hmpo", **unclamped), step)[0]
    geometric = -measure(objectives.get("gmpo", **unclamped), step)[0]
    arithmetic = -measure(objectives.get("gmpo", level="token", **unclamped), step)[0]
    slack = 1 + 1e-12
    assert harmonic <= geometric * slack
    assert geometric <= arithmetic * slack


@few
@given(step=steps)
def test_where_every_episode_has_one_token_the_averages_agree(step: Step):
    single = [[[episode[0][0]]] for episode in step]
    ppo = measure(objectives.get("ppo"), single)
    _assert_same(ppo, measure(objectives.get("grpo"), single))
    _assert_same(ppo, measure(objectives.get("dr-grpo", max_length=1), single))
    _assert_same(ppo, measure(objectives.get("dapo", epsilon_high=0.2), single))


@few
@given(step=steps)
def test_reinforce_is_gpg_but_for_the_denominator(step: Step):
    summed, averaged = measure(objectives.get("reinforce"), step), measure(objectives.get("gpg"), step)
    share = len(step) / count(step)
    _assert_same((summed[0] * share, [s * share for s in summed[1]], {}), averaged)
