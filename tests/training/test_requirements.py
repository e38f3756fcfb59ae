"""What the loop gathers for an advantage, what it refuses, and the terms that it adds to an objective."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from seqpo import advantages, objectives
from seqpo.objectives import SamplerCorrection
from seqpo.policies.causal_lm import CausalLMPolicy
from seqpo.policies.network import NetworkPolicy, mlp
from seqpo.tasks.control.bandit import Bandit
from seqpo.training.requirements import check_credit, check_requirements, collect_inputs
from seqpo.types import pack
from tests.support.training import CONFIG, optimized
from tests.support.translation import renderer, rows, tokenizer, translation, translator


def test_the_greedy_return_is_that_of_the_greedy_episode():
    policy, task = NetworkPolicy(mlp(2, 2, 8)), Bandit(((1.0, 0.0), (0.2, 0.7)))
    starts = task.starts(2, step=0)
    batch = pack(policy.rollout(starts, 5, seed=1))
    inputs = collect_inputs(advantages.get("remax"), policy, task, starts, batch, 0)
    with torch.no_grad():
        likeliest = policy.module(torch.eye(2)).argmax(-1).tolist()
    assert inputs.greedy is not None
    assert inputs.greedy.tolist() == pytest.approx([task.payoffs[i][arm] for i, arm in enumerate(likeliest)])
    assert inputs.states is None
    assert inputs.starts is None


def test_greedy_episodes_of_a_language_model_are_the_same_every_time():
    policy, starts = translator(), translation().starts(3, step=0)
    one, other = (policy.rollout(starts, 1, seed=None) for _ in range(2))
    assert one == other
    assert one != policy.rollout(starts, 1, seed=0)


def test_states_and_numbers_come_from_the_task():
    policy, task = translator(), translation()
    starts = task.starts(2, step=0)
    batch = pack(policy.rollout(starts, 3, seed=0))
    states = collect_inputs(advantages.get("gigpo"), policy, task, starts, batch, 0).states
    assert states is not None
    first = [0, *batch.segments.count_per_episode("turn").cumsum(0)[:-1].tolist()]
    group = batch.segments.group
    begun = states[first]
    assert all((begun[i] == begun[j]) == (group[i] == group[j]) for i in range(6) for j in range(6))
    inputs = collect_inputs(advantages.get("spo"), policy, task, starts, batch, 0)
    assert inputs.num_starts == len(task.pairs)
    assert inputs.starts is not None
    assert [task.pairs[i] for i in inputs.starts.tolist()] == [start.pair for start in starts]


def test_what_a_task_can_not_tell_is_refused():
    with pytest.raises(ValueError, match="needs the values of a critic, and there is none"):
        check_requirements(advantages.get("sppo"), translation())
    with pytest.raises(ValueError, match="this task does not tell states apart"):
        check_requirements(advantages.get("gigpo"), Bandit(((0.0, 1.0),)))

    class Anonymous:
        starts = score = None

    with pytest.raises(ValueError, match="this task does not number them"):
        check_requirements(advantages.get("spo"), Anonymous())  # type: ignore[arg-type]


def test_credit_that_an_objective_would_average_away_is_refused():
    message = "the advantages differ by turn, but the objective gives one to each sequence"
    with pytest.raises(ValueError, match=message):
        check_credit(objectives.get("sspo"), advantages.get("gigpo"))
    for objective in ("gspo-token", "grpo", "luspo", "vespo"):
        check_credit(objectives.get(objective), advantages.get("gigpo"))
    check_credit(objectives.get("sspo", level="turn"), advantages.get("gigpo"))
    with pytest.raises(ValueError, match="differ by token"):
        check_credit(objectives.get("sspo", level="turn"), advantages.get("gae"))


def test_a_correction_makes_the_trainer_the_behaviour(tmp_path: Path):
    """With a sampler in bfloat16, the first ratios are off; scored by the trainer, they are 1."""

    def coarse() -> CausalLMPolicy:
        model = translator(torch.float32).model
        return CausalLMPolicy(model, tokenizer(), stop=renderer().stop, limit=3, rollout_dtype=torch.bfloat16)

    changes = {"steps": 1, "group_size": 4}
    optimized(tmp_path / "plain", coarse(), translation(), **changes)
    correction = SamplerCorrection("truncate", high=2.0)
    optimized(tmp_path / "corrected", coarse(), translation(), correction=correction, **changes)
    (plain,), (exact,) = rows(tmp_path / "plain"), rows(tmp_path / "corrected")
    assert plain["ratio_deviation"] > 1e-3
    assert exact["ratio_deviation"] < 1e-5


def test_entropy_keeps_a_policy_undecided(tmp_path: Path):
    last = []
    for entropy in (0.0, 1.0):
        optimizer = replace(CONFIG.optimizer, lr=3e-3)
        policy = translator(torch.float32)
        optimized(
            tmp_path / str(entropy), policy, translation(), steps=8, group_size=4, entropy=entropy, optimizer=optimizer
        )
        last.append(rows(tmp_path / str(entropy))[-1]["rollout/entropy"])
    assert last[1] > last[0] + 0.02
