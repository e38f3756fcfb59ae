"""Generalised advantage estimation: by hand, against every sum of its definition, and its limits."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from seqpo.advantages import GAE, gae
from seqpo.advantages.reference import Batch, Episode, Start, Turn, to_go
from seqpo.advantages.reference import gae as summed
from tests.support.advantage_batches import batches, inputs_of, segments_of

Level = Literal["token", "turn"]

LEVELS: tuple[Level, ...] = ("token", "turn")
every_level = pytest.mark.parametrize("level", LEVELS)
some = settings(max_examples=40, deadline=None)
shares = st.sampled_from([0.0, 0.3, 0.9, 1.0])


def rewards_of(batch: Batch) -> Tensor:
    return torch.tensor([turn.reward for episode in batch.episodes for turn in episode.turns], dtype=torch.float64)


def values_of(batch: Batch, level: Level) -> Tensor:
    values = inputs_of(batch, GAE(level)).values
    assert values is not None
    return values


def estimate(batch: Batch, level: Level, discount: float, gae_lambda: float) -> tuple[Tensor, Tensor]:
    bootstrap = inputs_of(batch, GAE(level)).bootstrap
    return gae(rewards_of(batch), values_of(batch, level), segments_of(batch), level, discount, gae_lambda, bootstrap)


def one_token_a_turn(batch: Batch) -> Batch:
    def cut(episode: Episode) -> Episode:
        return replace(episode, turns=tuple(replace(turn, values=turn.values[:1]) for turn in episode.turns))

    return replace(batch, episodes=tuple(map(cut, batch.episodes)))


# Turns of two tokens and one, with rewards 1 and 2, and another episode of one token with reward 8.
BY_HAND = Batch((Episode(0, (Turn(1, (3, 4)), Turn(2, (5,)))), Episode(0, (Turn(8, (6,)),))), (Start(),))


def test_tokens_by_hand():
    # γ = λ = ½; δ: 0 + ½·4 − 3 = −1, 1 + ½·5 − 4 = −½, 2 − 5 = −3; and 8 − 6
    # A: −1 + ¼·(−1¼), −½ + ¼·(−3), −3
    advantages, targets = estimate(BY_HAND, "token", 0.5, 0.5)
    assert advantages.tolist() == [-1.3125, -1.25, -3, 2]
    assert targets.tolist() == [1.6875, 2.75, 2, 8]


def test_turns_by_hand():
    # δ: 1 + ½·5 − 3 = ½, 2 − 5 = −3; and 8 − 6; A: ½ + ¼·(−3), −3
    advantages, targets = estimate(BY_HAND, "turn", 0.5, 0.5)
    assert advantages.tolist() == [-0.25, -3, 2]
    assert targets.tolist() == [2.75, 2, 8]


# The same, but the first episode was cut off, and a critic says 4 of what would have followed: ½·4 more in its last δ.
CUT_OFF = replace(BY_HAND, episodes=(replace(BY_HAND.episodes[0], bootstrap=4.0), BY_HAND.episodes[1]))


def test_tokens_of_an_episode_that_was_cut_off_by_hand():
    # A: −1 + ¼·(−¾), −½ + ¼·(−1), 2 + ½·4 − 5 = −1
    advantages, targets = estimate(CUT_OFF, "token", 0.5, 0.5)
    assert advantages.tolist() == [-1.1875, -0.75, -1, 2]
    assert targets.tolist() == [1.8125, 3.25, 4, 8]


def test_turns_of_an_episode_that_was_cut_off_by_hand():
    # A: ½ + ¼·(−1), 2 + ½·4 − 5 = −1
    advantages, targets = estimate(CUT_OFF, "turn", 0.5, 0.5)
    assert advantages.tolist() == [0.25, -1, 2]
    assert targets.tolist() == [3.25, 4, 8]


@every_level
@some
@given(batch=batches, discount=shares, gae_lambda=shares, at=st.integers(0, 5))
def test_a_cut_where_the_critic_is_right_changes_nothing_before_it(
    level: Level, batch: Batch, discount: float, gae_lambda: float, at: int
):
    """The critic is right about the last unit, and says so after a cut that takes it away, or before it."""
    whole = batch.episodes[at % len(batch.episodes)]
    one, short = replace(batch, episodes=(whole,)), replace(whole, turns=whole.turns[:-1])
    assume(short.turns)
    kept = segments_of(replace(batch, episodes=(short,))).count(level)
    _, targets = estimate(one, level, discount, gae_lambda)
    values = values_of(one, level).clone()
    values[kept] = targets[kept]  # which does not depend on the value there
    segments, rewards, boot = segments_of(one), rewards_of(one), inputs_of(one, GAE(level)).bootstrap
    expected, _ = gae(rewards, values, segments, level, discount, gae_lambda, boot)
    segments = segments_of(replace(batch, episodes=(short,)))
    found, _ = gae(rewards[:-1], values[:kept], segments, level, discount, gae_lambda, targets[kept : kept + 1])
    torch.testing.assert_close(found, expected[:kept])


@every_level
@some
@given(batch=batches, discount=shares, gae_lambda=shares)
def test_equals_every_sum_of_the_definition(level: Level, batch: Batch, discount: float, gae_lambda: float):
    advantages, targets = estimate(batch, level, discount, gae_lambda)
    found = advantages if level == "token" else segments_of(batch).spread(advantages, "turn")
    assert found.tolist() == pytest.approx(summed(batch, level, discount, gae_lambda, whiten=False), abs=1e-9)
    torch.testing.assert_close(targets, advantages + values_of(batch, level))


@some
@given(batch=batches)
def test_with_all_the_trace_it_is_the_return_to_go_less_the_value(batch: Batch):
    returns = torch.tensor(
        [r for episode in batch.episodes for r in to_go(episode, 1.0, episode.bootstrap)], dtype=torch.float64
    )
    of_turns, targets = estimate(batch, "turn", 1.0, 1.0)
    torch.testing.assert_close(of_turns, returns - values_of(batch, "turn"))
    torch.testing.assert_close(targets, returns)
    # all tokens of a turn have the reward of the turn before them
    of_tokens, _ = estimate(batch, "token", 1.0, 1.0)
    torch.testing.assert_close(of_tokens, segments_of(batch).spread(returns, "turn") - values_of(batch, "token"))


@some
@given(batch=batches, discount=shares)
def test_without_a_trace_it_is_the_surprise_of_one_step(batch: Batch, discount: float):
    expected = [
        turn.reward + discount * after - turn.values[0]
        for episode in batch.episodes
        for turn, after in zip(
            episode.turns, [*(t.values[0] for t in episode.turns[1:]), episode.bootstrap], strict=True
        )
    ]
    assert estimate(batch, "turn", discount, 0.0)[0].tolist() == pytest.approx(expected, abs=1e-9)


@some
@given(batch=batches, discount=shares)
def test_without_a_critic_it_is_the_discounted_return(batch: Batch, discount: float):
    returns = [r for episode in batch.episodes for r in to_go(episode, discount)]
    nothing = torch.zeros(len(returns), dtype=torch.float64)
    found, _ = gae(rewards_of(batch), nothing, segments_of(batch), "turn", discount, 1.0)
    assert found.tolist() == pytest.approx(returns, abs=1e-9)


@some
@given(batch=batches, discount=shares, gae_lambda=shares)
def test_turns_of_one_token_are_tokens(batch: Batch, discount: float, gae_lambda: float):
    short = one_token_a_turn(batch)
    torch.testing.assert_close(
        estimate(short, "turn", discount, gae_lambda), estimate(short, "token", discount, gae_lambda)
    )


@every_level
@some
@given(batch=batches, other=batches)
def test_it_does_not_leak_into_other_episodes(level: Level, batch: Batch, other: Batch):
    # every second episode is another one
    mixed = replace(
        batch,
        episodes=tuple(
            other.episodes[index % len(other.episodes)] if index % 2 else episode
            for index, episode in enumerate(batch.episodes)
        ),
    )
    before, _ = estimate(batch, level, 0.9, 0.9)
    after, _ = estimate(mixed, level, 0.9, 0.9)
    owner_before, owner_after = segments_of(batch).episode_of(level), segments_of(mixed).episode_of(level)
    for index in range(0, len(batch.episodes), 2):
        torch.testing.assert_close(after[owner_after == index], before[owner_before == index])


@every_level
@some
@given(batch=batches)
def test_a_perfect_critic_leaves_nothing(level: Level, batch: Batch):
    boot = inputs_of(batch, GAE(level)).bootstrap
    returns, _ = gae(rewards_of(batch), 0 * values_of(batch, level), segments_of(batch), level, bootstrap=boot)
    surprise, targets = gae(rewards_of(batch), returns, segments_of(batch), level, 1.0, 0.5, boot)
    torch.testing.assert_close(surprise, torch.zeros_like(returns))
    torch.testing.assert_close(targets, returns)


@every_level
@some
@given(batch=batches)
def test_whitening_counts_every_unit_once(level: Level, batch: Batch):
    segments, inputs = segments_of(batch), inputs_of(batch, GAE(level))
    plain, _ = estimate(batch, level, 1.0, 0.9)
    spread = plain.std() if plain.numel() > 1 else 0
    expected = segments.spread((plain - plain.mean()) / (spread + 1e-6), level)
    found = GAE(level, gae_lambda=0.9)(rewards_of(batch), segments, inputs)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


@every_level
def test_other_shapes_are_refused(level: Level):
    segments = segments_of(BY_HAND)
    with pytest.raises(ValueError, match=r"rewards have shape \(2,\) for 3 turns"):
        gae(torch.zeros(2), torch.zeros(segments.count(level)), segments, level)
    with pytest.raises(ValueError, match=rf"values \(9,\) for {segments.count(level)} units of level '{level}'"):
        gae(torch.zeros(3), torch.zeros(9), segments, level)
    with pytest.raises(ValueError, match=r"the bootstrap has shape \(3,\), but there are 2 episodes"):
        gae(torch.zeros(3), torch.zeros(segments.count(level)), segments, level, bootstrap=torch.zeros(3))
