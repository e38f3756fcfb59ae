"""Where seqpo and TRL mean the same they compute the same; where they differ, the difference is pinned down.

Everything of TRL's is its own code, called with random log-probs in the place of a model's.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

pytest.importorskip("trl", reason="needs TRL: `make test-adapters` runs this in an environment of its own")

from datasets import Dataset
from trl import GRPOTrainer, RLOOConfig, RLOOTrainer
from trl.experimental.gmpo import GMPOTrainer

from seqpo import advantages, objectives
from seqpo.adapters.trl import compare
from seqpo.advantages import Comparison
from seqpo.objectives import CappedScore, Clip, Identity, Objective, Padded
from seqpo.segments import Denominators
from tests.support.translation import tokenizer, translator
from tests.support.trl_runs import GROUP, ROWS, STARTS, config, rollout

BATCH, TIME, LONGEST = 6, 9, 20
LOSSES: tuple[tuple[str, dict[str, Any], Objective], ...] = (
    ("grpo", {}, objectives.get("grpo")),
    ("grpo", {"epsilon_high": 0.28}, Objective("token", Identity(), Clip(0.2, 0.28), "sequence-mean")),
    ("grpo", {"delta": 1.5}, objectives.get("grpo", dual=1.5)),
    ("grpo", {"level": "sequence", "epsilon_low": 3e-4, "epsilon_high": 4e-4}, objectives.get("gspo")),
    ("bnpo", {}, objectives.get("ppo")),
    ("dr_grpo", {}, objectives.get("dr-grpo", max_length=LONGEST)),
    ("dapo", {"epsilon_high": 0.28}, objectives.get("dapo")),
    ("dapo", {"level": "sequence"}, Objective("sequence", Identity(), Clip(0.2, 0.2), "token-mean")),
    ("cispo", {"epsilon_high": 1.2}, objectives.get("cispo", epsilon_high=0.2)),
    ("sapo", {}, objectives.get("sapo")),
    ("vespo", {}, objectives.get("vespo")),
    ("luspo", {"level": "sequence", "epsilon_low": 2e-3, "epsilon_high": 2.5e-3}, objectives.get("luspo")),
    ("gmpo", {"epsilon_low": 0.4, "epsilon_high": 0.4}, objectives.get("gmpo")),
)

pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated:FutureWarning")  # of TRL's calls of Transformers


def build(folder: Path, rewards: Any, **options: Any) -> GRPOTrainer:
    return GRPOTrainer(
        translator(torch.float32).model,
        rewards,
        args=config(folder, **options),
        train_dataset=Dataset.from_dict({"prompt": list(STARTS)}),
        processing_class=tokenizer(),
        rollout_func=rollout(),
    )


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Any:
    made = build(tmp_path_factory.mktemp("trl"), lambda prompts, **_: [0.0] * len(prompts))
    made.model.train()
    return made


def numbers(seed: int, scale: float, rows: int = BATCH) -> dict[str, Tensor]:
    """A padded batch in float64: left-out tokens inside and after each row, one advantage per row."""
    generator = torch.Generator().manual_seed(seed)
    draw = {"generator": generator, "dtype": torch.float64}
    lengths = torch.randint(2, TIME + 1, (rows,), generator=generator)
    mask = (torch.arange(TIME) < lengths[:, None]).long()
    tools = (torch.rand(rows, TIME, generator=generator) < 0.8).long()
    tools[:, 0] = 1
    old = -torch.rand(rows, TIME, **draw) * 3
    return {
        "prompt_ids": torch.ones(rows, 1, dtype=torch.long),
        "prompt_mask": torch.ones(rows, 1, dtype=torch.long),
        "completion_ids": torch.ones(rows, TIME, dtype=torch.long),
        "completion_mask": mask,
        "tool_mask": tools,
        "old_per_token_logps": old,
        "logprobs": old + scale * torch.randn(rows, TIME, **draw),
        "advantages": torch.randn(rows, **draw),
        "num_items_in_batch": (mask * tools).sum(),
    }


def their_loss(
    made: Any, name: str, options: dict[str, Any], batch: dict[str, Any], *, steps: int = 1, generation: int = 1
) -> tuple[Tensor, Tensor]:
    """TRL's loss of one of `steps` micro-batches, and its gradient by the log-probs."""
    leaf = batch["logprobs"].clone().requires_grad_()
    made._get_per_token_logps_and_entropies = lambda *_, **__: (leaf, torch.zeros_like(leaf), None)
    made.loss_type = name
    made.importance_sampling_level = options.get("level", "token")
    made.epsilon_low = options.get("epsilon_low", 0.2)
    made.epsilon_high = options.get("epsilon_high", 0.2)
    made.args.delta = options.get("delta")
    made.beta = options.get("beta", 0.0)
    made.max_completion_length = LONGEST
    made.current_gradient_accumulation_steps = steps
    made.args.steps_per_generation = max(steps, generation)
    kind = {"gmpo": GMPOTrainer, "rloo": RLOOTrainer}.get(name, GRPOTrainer)
    loss = kind._compute_loss(made, None, batch)
    loss.backward()
    assert leaf.grad is not None
    return loss.detach(), leaf.grad


def our_loss(
    objective: Objective, batch: dict[str, Any], denominators: Denominators | None = None
) -> tuple[Tensor, Tensor]:
    leaf = batch["logprobs"].clone().requires_grad_()
    layout = Padded.of(batch["completion_mask"] * batch["tool_mask"])
    old, credit = layout.flat(batch["old_per_token_logps"]), layout.flat(batch["advantages"])
    loss = objective(layout.flat(leaf), old, credit, layout.segments, denominators).value
    loss.backward()
    assert leaf.grad is not None
    return loss.detach(), leaf.grad


@pytest.mark.parametrize("scale", [1e-4, 0.1, 0.5])
@pytest.mark.parametrize(("name", "options", "objective"), LOSSES)
def test_the_losses_and_gradients_agree(
    name: str, options: dict[str, Any], objective: Objective, scale: float, theirs: Any
):
    for seed in range(5):
        batch = numbers(seed, scale)
        torch.testing.assert_close(our_loss(objective, batch), their_loss(theirs, name, options, batch))


def test_the_rloo_trainers_loss_is_a_clip_of_the_whole_sequences_ratio(theirs: Any):
    ours = Objective("sequence", Identity(), Clip(0.2, 0.2), "sequence-mean", pool="product")
    for seed in range(5):
        batch = numbers(seed, 0.1)
        batch["tool_mask"].fill_(1)
        batch["old_logps"] = (batch["old_per_token_logps"] * batch["completion_mask"]).sum(1)
        torch.testing.assert_close(our_loss(ours, batch), their_loss(theirs, "rloo", {}, batch))


def test_the_bias_corrected_kl_has_the_gradient_of_k3_plus_on_policy(theirs: Any):
    batch = numbers(0, 0.0)
    batch["advantages"].zero_()
    batch["ref_per_token_logps"] = batch["old_per_token_logps"] + 0.3 * numbers(1, 0.0)["old_per_token_logps"]
    for corrected, form in ((True, "k3+"), (False, "k3")):
        theirs.args.use_bias_correction_kl = corrected
        value, gradient = their_loss(theirs, "dapo", {"beta": 0.5}, batch)
        leaf = batch["logprobs"].clone().requires_grad_()
        layout = Padded.of(batch["completion_mask"] * batch["tool_mask"])
        ours = 0.5 * objectives.kl_penalty(layout.flat(leaf), layout.flat(batch["ref_per_token_logps"]), form).mean()
        ours.backward()
        torch.testing.assert_close((ours.detach(), leaf.grad), (value, gradient))


def test_difference_cispos_epsilon_high_is_the_bound_itself(theirs: Any):
    batch = numbers(0, 0.5)
    bound = 5.0
    one_more = Objective("token", Identity(), CappedScore(1.0, bound), "token-mean", credit="token")
    same = Objective("token", Identity(), CappedScore(1.0, bound - 1), "token-mean", credit="token")
    batch["logprobs"][:, 0] = batch["old_per_token_logps"][:, 0] + 3.0  # e³ is beyond both
    expected = their_loss(theirs, "cispo", {"epsilon_high": bound}, batch)
    torch.testing.assert_close(our_loss(same, batch), expected)
    assert not torch.allclose(our_loss(one_more, batch)[1], expected[1])


def test_difference_luspo_at_trls_default_level_is_a_sum_over_tokens(theirs: Any):
    batch = numbers(0, 0.1)
    token = Objective("token", Identity(), Clip(0.2, 0.2), "sequence-sum")
    expected = their_loss(theirs, "luspo", {}, batch)
    torch.testing.assert_close(our_loss(token, batch), expected)
    sequence = objectives.get("luspo", epsilon_low=0.2, epsilon_high=0.2)
    assert not torch.allclose(our_loss(sequence, batch)[1], expected[1])


def test_difference_vespos_sequence_ratio_has_another_floor(theirs: Any):
    batch = numbers(0, 0.0)
    batch["logprobs"] = batch["old_per_token_logps"] - 19.0 * (torch.arange(TIME) == 0)
    ours = our_loss(objectives.get("vespo"), batch)[1]
    expected = their_loss(theirs, "vespo", {}, batch)[1]
    layout = Padded.of(batch["completion_mask"] * batch["tool_mask"])
    power = torch.where(layout.flat(batch["advantages"]) >= 0, 2.0, 3.0).double()  # k of φ(w) ∝ w^k near 0
    shares = layout.flat(ours) / layout.flat(expected)
    torch.testing.assert_close(shares, (-19.0 * power).exp() / 1e-8**power, rtol=1e-5, atol=0)


def test_difference_log_ratios_beyond_twenty_are_clamped_here(theirs: Any):
    batch = numbers(0, 0.0)
    batch["advantages"] = -batch["advantages"].abs()  # the clip lets bad tokens grow
    batch["logprobs"] = batch["old_per_token_logps"] + 25.0 * (torch.arange(TIME) == 0)
    ours, expected = our_loss(objectives.get("grpo"), batch)[1][:, 0], their_loss(theirs, "grpo", {}, batch)[1][:, 0]
    assert (ours == 0).all()
    assert (expected.abs() > 1e8).all()


@pytest.mark.parametrize(("name", "exact"), [("grpo", True), ("dr_grpo", True), ("dapo", True), ("bnpo", False)])
def test_difference_bnpos_denominator_is_the_micro_batchs(name: str, exact: bool, theirs: Any):
    objective = {"grpo": "grpo", "dr_grpo": "dr-grpo", "dapo": "ppo", "bnpo": "ppo"}[name]
    options = {"max_length": LONGEST} if name == "dr_grpo" else {}
    batch = numbers(0, 0.1)
    whole = our_loss(objectives.get(objective, **options), batch)[1]
    halves = [{k: v[i : i + 3] if v.ndim else v for k, v in batch.items()} for i in (0, 3)]
    split = torch.cat([their_loss(theirs, name, {}, half, steps=2)[1] for half in halves])
    assert torch.allclose(split, whole) == exact


def test_difference_rows_without_action_tokens_count_as_episodes_in_trl(theirs: Any):
    batch = numbers(0, 0.1)
    batch["tool_mask"][1] = 0
    ours, expected = our_loss(objectives.get("grpo"), batch)[1], their_loss(theirs, "grpo", {}, batch)[1]
    torch.testing.assert_close(ours * (BATCH - 1) / BATCH, expected)


def test_difference_dapos_denominator_is_the_mean_of_the_windows_of_a_generation(theirs: Any):
    windows = [numbers(seed, 0.1) for seed in (0, 1)]
    tokens = [int(window["num_items_in_batch"]) for window in windows]
    assert tokens[0] != tokens[1]
    for window, count in zip(windows, tokens, strict=True):
        window["num_items_in_batch"] = torch.tensor(sum(tokens))
        ours = our_loss(objectives.get("ppo"), window)[1]
        expected = their_loss(theirs, "dapo", {}, window, generation=2)[1]
        torch.testing.assert_close(ours * count / (sum(tokens) / 2), expected)


def their_advantages(folder: Path, columns: Tensor, **options: Any) -> Tensor:
    """`[rows]` advantages of TRL's for rewards `[rows, functions]`, by way of a real generation."""

    def column(number: int) -> Callable[..., list[float]]:
        return lambda prompts, **_: columns[:, number].tolist()

    return compared_by(build(folder, [column(number) for number in range(columns.shape[1])], **options))


def compared_by(made: Any) -> Tensor:
    """The advantages of a generation of four groups of three."""
    made.model.train()
    rows = [{"prompt": prompt} for prompt in list(STARTS)[:4] for _ in range(GROUP)]
    found: Tensor = made._generate_and_score_completions(rows)["advantages"]
    return found


def our_advantages(advantage: Any, rewards: Tensor) -> Tensor:
    """`[rows]`: each row is an episode of a single token."""
    return compare(advantage, rewards, torch.ones(len(rewards), 1, dtype=torch.long), GROUP)[:, 0]


def drawn(functions: int = 1, size: float = 1e4) -> Tensor:
    """Rewards, as drawn so large that what is added to their deviations is nothing."""
    return size * torch.randn(ROWS, functions, generator=torch.Generator().manual_seed(7))


@pytest.mark.parametrize(("scale", "name"), [("group", "grpo"), ("none", "dr-grpo"), ("batch", "lite-ppo")])
def test_the_advantages_agree(scale: str, name: str, tmp_path: Path):
    rewards = drawn()
    expected = their_advantages(tmp_path, rewards, scale_rewards=scale)
    torch.testing.assert_close(our_advantages(advantages.get(name), rewards[:, 0]), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("normalize", "scale"), [(False, "none"), (True, "whiten-units")])
def test_the_rloo_trainers_advantages_agree(normalize: bool, scale: str, tmp_path: Path):
    rewards = drawn()
    args = RLOOConfig(
        str(tmp_path),
        use_cpu=True,
        bf16=False,
        report_to=[],
        gradient_checkpointing=False,
        num_generations=GROUP,
        per_device_train_batch_size=ROWS,
        max_completion_length=2,
        beta=0.0,
        normalize_advantages=normalize,
    )
    made = RLOOTrainer(
        translator(torch.float32).model,
        lambda prompts, **_: rewards[:, 0].tolist(),
        args=args,
        train_dataset=Dataset.from_dict({"prompt": list(STARTS)}),
        processing_class=tokenizer(),
    )
    expected = compared_by(made)
    ours = our_advantages(advantages.get("rloo", scale=scale), rewards[:, 0])
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-4)


def test_gdpo_agrees_when_the_parts_are_normalised_one_by_one(tmp_path: Path):
    rewards = drawn(functions=2)
    expected = their_advantages(
        tmp_path, rewards, multi_objective_aggregation="normalize_then_sum", reward_weights=[1.0, 0.5]
    )
    parts = [our_advantages(Comparison("group-mean", "group-std"), column) for column in rewards.T]
    ours = our_advantages(advantages.get("gdpo"), parts[0] + 0.5 * parts[1])
    torch.testing.assert_close(ours, expected, rtol=1e-3, atol=1e-3)


def test_rewards_that_are_missing_take_no_part_in_either(tmp_path: Path):
    rewards = drawn()
    rewards[4] = torch.nan
    expected = their_advantages(tmp_path, rewards)
    ours = our_advantages(advantages.get("grpo"), rewards[:, 0])
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-4)
    assert ours[4] == 0


def test_difference_trl_adds_more_to_a_deviation(tmp_path: Path):
    rewards = drawn(size=1e-3)
    std = rewards.view(4, 3).std(dim=1).repeat_interleave(3)
    ours = our_advantages(advantages.get("grpo"), rewards[:, 0])
    expected = their_advantages(tmp_path, rewards)
    torch.testing.assert_close(ours * (std + 1e-6) / (std + 1e-4), expected, rtol=1e-3, atol=1e-4)
    assert (ours.abs() > 1.01 * expected.abs()).all()


def test_difference_equal_rewards_are_rounded_in_trl(tmp_path: Path):
    rewards = torch.full((ROWS, 1), 12345.678)
    assert (our_advantages(advantages.get("grpo"), rewards[:, 0]) == 0).all()
    assert their_advantages(tmp_path, rewards).abs().max() > 0.5
