"""What is refused, and how it says so."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch

from seqpo import advantages
from seqpo.advantages import GAE, Advantage, AdvantageInputs, Comparison, RunningScale, RunningValue, SameState
from tests.support.advantage_batches import compute, segments_of, simple

# Two groups; three episodes; four turns of two tokens each.
BATCH = simple([[1.0, 2.0], 3.0], [4.0], tokens=2)
REWARDS = torch.tensor([1.0, 2.0, 3.0, 4.0])


def test_options_replace_defaults():
    assert advantages.get("grpo", scale="none") == advantages.get("dr-grpo")
    assert advantages.get("return-to-go", discount=0.9) == Comparison("group-mean", "whiten-units", "return-to-go", 0.9)
    assert advantages.get("gigpo", weight=0.5, discount=1.0, scale="none") == SameState(0.5, 1.0, "none")
    assert advantages.get("gae", level="turn", whiten=False) == GAE("turn", whiten=False)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("ppo", {}, "unknown advantage 'ppo': choose one of reinforce, grpo, "),
        ("dr-grpo", {"gamma": 1}, "advantage 'dr-grpo' has no option gamma; its options: none"),
        ("gu", {"b": 1, "a": 1}, "advantage 'gu' has no option a, b; its options: discount, rate"),
        (
            "grpo",
            {"scale": "std"},
            "option scale can't be 'std': choose one of none, group-std, batch-std, whiten-units, ",
        ),
        ("sppo", {"credit": "turn"}, "option credit can't be 'turn': choose one of sequence, return-to-go"),
        ("reinforce", {"discount": 0.5}, "discount belongs to credit 'return-to-go'"),
        ("gigpo", {"scale": "batch-std"}, "option scale can't be 'batch-std': choose one of group-std, none"),
        ("gae", {"level": "sequence"}, "option level can't be 'sequence': choose one of token, turn"),
        ("gae", {"discount": 1.5}, "discount and gae_lambda lie between 0 and 1, got 1.5 and 1.0"),
        ("gae", {"gae_lambda": -0.1}, "discount and gae_lambda lie between 0 and 1, got 1.0 and -0.1"),
        ("gu", {"rate": 0.0}, "above 0 and up to 1, got 0.0"),
        ("gu", {"rate": 1.5}, "above 0 and up to 1, got 1.5"),
        ("spo", {"visits": 0.0}, "visits are positive, got 0.96 and 0.0"),
        ("spo", {"rho": 1.0}, "rho lies from 0 to below 1"),
        ("spo", {"rho": -0.1}, "rho lies from 0 to below 1"),
    ],
)
def test_a_wrong_option_raises(name: str, options: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=re.escape(message)):
        advantages.get(name, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"baseline": "mean"}, "unknown baseline 'mean': choose one of none, group-mean, leave-one-out, "),
        ({"scale": "std"}, "unknown scale 'std': choose one of none, group-std, batch-std, whiten-units, "),
        ({"credit": "turn"}, "unknown credit 'turn': choose one of sequence, return-to-go"),
        ({"baseline": "none", "scale": "group-std"}, "a deviation needs a baseline"),
        ({"baseline": "none", "scale": "batch-std"}, "a deviation needs a baseline"),
        ({"baseline": "none", "scale": "informative"}, "it needs their baseline"),
        ({"baseline": "greedy", "scale": "informative"}, "it needs their baseline"),
        ({"baseline": "value", "scale": "informative"}, "it needs their baseline"),
        ({"baseline": "greedy", "credit": "return-to-go"}, "baseline 'greedy' is one of whole episodes"),
        ({"baseline": "length-weighted", "credit": "return-to-go"}, "'length-weighted' is one of whole episodes"),
        ({"discount": 0.9}, "discount belongs to credit 'return-to-go'"),
    ],
)
def test_choices_without_meaning_raise(options: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=re.escape(message)):
        Comparison(**options)


def test_a_level_or_scale_without_meaning_raises():
    with pytest.raises(ValueError, match="unknown level 'sequence': a critic's values are a token's or a turn's"):
        GAE("sequence")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="unknown scale 'batch-std': choose one of group-std, none"):
        SameState(scale="batch-std")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", advantages.names())
def test_rewards_of_another_shape_raise(name: str):
    with pytest.raises(ValueError, match=r"rewards have shape \(3,\), segments hold 4 turns"):
        advantages.get(name)(torch.zeros(3), segments_of(BATCH))


NEEDS: dict[str, tuple[Callable[[], Advantage], str]] = {
    "values of episodes": (lambda: advantages.get("sppo"), "values, one number for each of 3 episodes"),
    "values of turns": (lambda: advantages.get("gu"), "values, one number for each of 4 turns"),
    "values of tokens": (GAE, "values, one number for each of 8 action tokens"),
    "values of turns of gae": (lambda: GAE("turn"), "values, one number for each of 4 turns"),
    "greedy": (lambda: advantages.get("remax"), "greedy, one number for each of 2 groups"),
    "states": (SameState, "states, one number for each of 4 turns"),
    "starts": (RunningValue, "starts, one number for each of 2 groups"),
    "what another needs": (lambda: RunningScale(SameState()), "states, one number for each of 4 turns"),
}


@pytest.mark.parametrize("need", NEEDS)
def test_what_is_missing_is_named(need: str):
    build, message = NEEDS[need]
    with pytest.raises(ValueError, match=f"this advantage needs inputs.{message}"):
        build()(REWARDS, segments_of(BATCH))


@pytest.mark.parametrize("need", NEEDS)
def test_another_shape_is_named(need: str):
    build, message = NEEDS[need]
    (field,) = build().needs
    wrong = AdvantageInputs(**{field: torch.zeros(5, dtype=torch.long)}, num_starts=1)
    size, of = message.partition("each of ")[2].split(" ", 1)
    with pytest.raises(ValueError, match=re.escape(f"inputs.{field} has shape (5,), but there are {size} {of}")):
        build()(REWARDS, segments_of(BATCH), wrong)


@pytest.mark.parametrize("name", advantages.names())
def test_it_needs_no_more_than_it_says(name: str):
    advantage = advantages.get(name)
    sizes = {"sequence": 3, "turn": 4, "token": 8}
    offered = {
        "values": torch.zeros(sizes[advantage.level]),
        "greedy": torch.zeros(2),
        "states": torch.tensor([0, 1, 0, 0]),
        "starts": torch.tensor([0, 1]),
    }
    given = AdvantageInputs(**{need: offered[need] for need in advantage.needs}, num_starts=2)
    assert advantage(REWARDS, segments_of(BATCH), given).shape == (8,)
    if not advantage.needs:
        assert advantage(REWARDS.double(), segments_of(BATCH)).tolist() == compute(advantage, BATCH)
