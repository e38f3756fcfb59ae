"""What a critic is trained on, and the advantage of SPPO that it serves."""

from __future__ import annotations

from dataclasses import replace
from math import log

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from seqpo import advantages
from seqpo.advantages import (
    GAE,
    AdvantageInputs,
    Comparison,
    HasCriticTargets,
    RunningScale,
    cross_entropy_value_loss,
    squared_value_loss,
)
from seqpo.advantages.reference import Batch, Episode, Start, Turn
from tests.support.advantage_batches import batches, compute, inputs_of, segments_of

some = settings(max_examples=40, deadline=None)


def tensor(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def slope(loss: Tensor, at: Tensor) -> list[float]:
    (found,) = torch.autograd.grad(loss.sum(), at)
    return found.tolist()


def test_sppo_by_hand():
    # R = 4 less the start's ½; with return-to-go 4 − ½ and 3 − 2
    batch = Batch((Episode(0, (Turn(1, (0.5,)), Turn(3, (2.0, 9.0)))),), (Start(),))
    assert compute(advantages.get("sppo"), batch) == [3.5, 3.5, 3.5]
    assert compute(advantages.get("sppo", credit="return-to-go"), batch) == [3.5, 1, 1]


# Turns of two tokens and one, with rewards 1 and 2, and another episode of one token with reward 8.
BY_HAND = Batch((Episode(0, (Turn(1, (3, 4)), Turn(2, (5,)))), Episode(0, (Turn(8, (6,)),))), (Start(),))
TEACHERS = {
    "sppo": ("sequence", [3, 8]),
    "sppo to go": ("turn", [3, 2, 8]),
    "gu": ("turn", [1 + 0.5 * 2, 2, 8]),  # returns to go at γ = ½, neither centred nor scaled
    "gae of turns": ("turn", [1 + 0.5 * (0.5 * 2 + 0.5 * 5), 2, 8]),  # r + γ((1 − λ)V' + λ · target')
    "gae of tokens": ("token", [0.5 * (0.5 * 2.75 + 0.5 * 4), 1 + 0.5 * (0.5 * 2 + 0.5 * 5), 2, 8]),
}


def teacher(name: str) -> HasCriticTargets:
    built = {
        "sppo": advantages.get("sppo"),
        "sppo to go": advantages.get("sppo", credit="return-to-go"),
        "gu": advantages.get("gu", discount=0.5),
        "gae of turns": advantages.get("gae", level="turn", discount=0.5, gae_lambda=0.5),
        "gae of tokens": advantages.get("gae", discount=0.5, gae_lambda=0.5),
    }[name]
    assert isinstance(built, HasCriticTargets)
    return built


def targets_of(advantage: HasCriticTargets, batch: Batch, rewards: Tensor) -> Tensor:
    inputs = inputs_of(batch, advantage)  # type: ignore[arg-type]
    assert inputs.values is not None
    found = advantage.targets(rewards, segments_of(batch), inputs)
    assert found.shape == inputs.values.shape
    return found


@pytest.mark.parametrize("name", TEACHERS)
def test_targets_by_hand(name: str):
    level, expected = TEACHERS[name]
    advantage = teacher(name)
    assert advantage.value_level == level
    assert targets_of(advantage, BY_HAND, tensor(1, 2, 8)).tolist() == pytest.approx(expected)


# The same, but the first episode was cut off, and a critic says 4 of what would have followed: 1 or ½·4 more.
CUT_OFF = replace(BY_HAND, episodes=(replace(BY_HAND.episodes[0], bootstrap=4.0), BY_HAND.episodes[1]))
BOOTSTRAPPED = {
    "sppo": [3, 8],  # whole episodes are compared as they were played
    "sppo to go": [3 + 4, 2 + 4, 8],
    "gu": [1 + 0.5 * (2 + 0.5 * 4), 2 + 0.5 * 4, 8],
    "gae of turns": [1 + 0.5 * (0.5 * 4 + 0.5 * 5), 2 + 0.5 * 4, 8],
    "gae of tokens": [0.5 * (0.5 * 3.25 + 0.5 * 4), 1 + 0.5 * (0.5 * 4 + 0.5 * 5), 2 + 0.5 * 4, 8],
}


@pytest.mark.parametrize("name", TEACHERS)
def test_targets_of_an_episode_that_was_cut_off_by_hand(name: str):
    assert targets_of(teacher(name), CUT_OFF, tensor(1, 2, 8)).tolist() == pytest.approx(BOOTSTRAPPED[name])


@pytest.mark.parametrize("name", TEACHERS)
def test_targets_need_values(name: str):
    with pytest.raises(ValueError, match=r"this advantage needs inputs\.values"):
        teacher(name).targets(tensor(1, 2, 8), segments_of(BY_HAND), AdvantageInputs())


@pytest.mark.parametrize("name", TEACHERS)
def test_an_episode_without_a_score_has_no_targets(name: str):
    of_the_first = len(TEACHERS[name][1]) - 1
    targets = targets_of(teacher(name), BY_HAND, tensor(torch.nan, 2, 8))
    assert targets.isnan().tolist() == [True] * of_the_first + [False]


@some
@given(batch=batches, name=st.sampled_from(["sppo", "sppo to go", "gae of turns", "gae of tokens"]))
def test_a_target_is_the_value_and_what_was_better_than_it(batch: Batch, name: str):
    advantage = teacher(name)
    plain = replace(advantage, whiten=False) if isinstance(advantage, GAE) else advantage
    rewards = tensor(*(turn.reward for episode in batch.episodes for turn in episode.turns))
    segments, inputs = segments_of(batch), inputs_of(batch, plain)  # type: ignore[arg-type]
    better = plain(rewards, segments, inputs)  # type: ignore[operator]
    surprise = targets_of(advantage, batch, rewards) - inputs.values
    torch.testing.assert_close(segments.spread(surprise, advantage.value_level), better)


def test_a_scale_over_what_needs_no_critic_teaches_none():
    class Silent:
        needs, level = (), "sequence"

    with pytest.raises(ValueError, match="Silent teaches no critic: it has no `value_level` and `targets`"):
        RunningScale(Silent()).targets(tensor(1), segments_of(BY_HAND), AdvantageInputs())  # type: ignore[arg-type]
    assert not isinstance(advantages.get("spo"), HasCriticTargets)
    assert RunningScale(Comparison("value")).value_level == "sequence"


def test_cross_entropy_by_hand():
    # logits 0 and log 3 are values ½ and ¾
    logits = tensor(0, log(3), log(3)).requires_grad_()
    loss = cross_entropy_value_loss(logits, tensor(1, 0, 0.25))
    assert loss.tolist() == pytest.approx([log(2), log(4), -0.25 * log(0.75) - 0.75 * log(0.25)])
    # V − R
    assert slope(loss, logits) == pytest.approx([-0.5, 0.75, 0.5])


@some
@given(returns=st.lists(st.integers(0, 10), min_size=2, max_size=6), moved=st.floats(0.05, 2), up=st.booleans())
def test_the_best_value_of_a_start_is_its_mean_return(returns: list[int], moved: float, up: bool):
    targets = tensor(*(value / 10 for value in (0, 10, *returns)))
    best = targets.mean().logit()
    other = best + (moved if up else -moved)
    at_best, at_other = (cross_entropy_value_loss(x.expand_as(targets), targets).mean() for x in (best, other))
    assert at_best < at_other


def test_integer_returns_are_fine():
    logits = torch.zeros(2, requires_grad=True)
    assert cross_entropy_value_loss(logits, torch.tensor([0, 1])).tolist() == pytest.approx([log(2)] * 2)


def test_squared_loss_by_hand():
    values = tensor(1, 3).requires_grad_()
    loss = squared_value_loss(values, tensor(2, -1))
    assert loss.tolist() == [0.5, 8]
    assert slope(loss, values) == [-1, 4]


def test_clipped_squared_loss_by_hand():
    # all were 1 at sampling time, and may move by ½
    values = tensor(2, 2, 1.25, 0, 0).requires_grad_()
    loss = squared_value_loss(values, tensor(3, 0, 3, -3, 2), tensor(1, 1, 1, 1, 1), clip=0.5)
    # moved too far towards the target: (1½ − 3)², and (½ + 3)²; too far from it: (2 − 0)², (0 − 2)²; near: (1¼ − 3)²
    assert loss.tolist() == pytest.approx([2.25 / 2, 4 / 2, 3.0625 / 2, 12.25 / 2, 4 / 2])
    # no reason to move on, but one to come back
    assert slope(loss, values) == pytest.approx([0, 2, -1.75, 0, -2])


@some
@given(
    values=st.lists(st.floats(-3, 3), min_size=1, max_size=5),
    target=st.floats(-3, 3),
    clip=st.floats(0.01, 10),
)
def test_the_clip_is_pessimistic_and_loosens(values: list[float], target: float, clip: float):
    now, targets, behaviour = tensor(*values), tensor(*[target] * len(values)), torch.zeros(len(values)).double()
    free = squared_value_loss(now, targets)
    assert (squared_value_loss(now, targets, behaviour, clip) >= free).all()
    torch.testing.assert_close(squared_value_loss(now, targets, behaviour, 6.0), free)


@pytest.mark.parametrize("half", [{"behaviour": torch.zeros(1)}, {"clip": 0.5}])
def test_half_a_clip_raises(half: dict[str, object]):
    with pytest.raises(ValueError, match="give both or neither"):
        squared_value_loss(torch.zeros(1), torch.zeros(1), **half)  # type: ignore[arg-type]
