"""Our objectives and advantages through verl's own registries, configuration classes and callers."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # engines that are not installed
    pytest.importorskip("verl", reason="verl has pins of its own: make test-adapters runs this in its own environment")
    from tensordict import TensorDict
    from verl import DataProto
    from verl.trainer.ppo.core_algos import get_adv_estimator_fn, get_policy_loss_fn
    from verl.trainer.ppo.ray_trainer import compute_advantage
    from verl.trainer.ppo.utils import need_critic, need_reference_policy
    from verl.utils.config import omega_conf_to_dataclass, validate_config
    from verl.workers.utils.losses import ppo_loss

    from seqpo.adapters import verl as adapter

from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from seqpo import advantages, objectives
from seqpo.advantages import AdvantageInputs
from seqpo.objectives import Loss
from seqpo.segments import Denominators
from tests.support.verl_batches import Batch, actor, gradient, make_batch, make_rewards

FROM_REWARDS = [name for name in advantages.names() if not advantages.get(name).needs]
same = partial(torch.testing.assert_close, rtol=1e-10, atol=1e-12)


def ours(batch: Batch, name: str, weights: Tensor | None = None, **options: Any) -> Loss:
    """The objective, called directly."""
    layout = batch.layout
    advantage = batch.advantages if weights is None else batch.advantages * weights
    tensors = (layout.flat(tensor) for tensor in (batch.logprobs, batch.old, advantage))
    return objectives.get(name, **options)(*tensors, layout.segments)


def theirs(batch: Batch, config: Any, **extra: Any) -> tuple[Tensor, dict[str, float]]:
    """The objective as verl calls it."""
    loss = get_policy_loss_fn(config.policy_loss.loss_mode)
    return loss(**batch.arguments(), loss_agg_mode=config.loss_agg_mode, config=config, **extra)


# Objectives.


@pytest.mark.parametrize("name", objectives.names())
def test_policy_loss_is_the_objective(name: str) -> None:
    batch = make_batch(per_token=objectives.get(name).level == "token")
    loss, metrics = theirs(batch, actor(f"seqpo.{name}"))
    direct = ours(batch, name)
    same(loss, direct.value)
    same(gradient(loss, batch), gradient(direct.value, batch))
    assert metrics == pytest.approx(
        {f"actor/seqpo_{key}": value for key, value in direct.diagnostics.as_dict().items()}
    )


@pytest.mark.parametrize("name", objectives.names())
def test_micro_batches_and_ranks_add_up(name: str) -> None:
    batch = make_batch(seed=1)
    whole = gradient(ours(batch, name).value, batch)
    config = actor(f"seqpo.{name}")
    config.global_batch_info.update(dp_size=2, batch_num_tokens=int(batch.mask.sum()), global_batch_size=6)
    found = torch.zeros_like(whole)
    for rank in ([[0, 4], [5]], [[1], [2, 3]]):
        for rows in rank:
            part = batch.rows(rows)
            found[rows] += gradient(theirs(part, config)[0], part) / 2  # ranks are averaged
    same(found, whole)


def test_metrics_of_a_micro_batch_are_its_own() -> None:
    """verl averages metrics over micro-batches, and takes no sums."""
    batch = make_batch(seed=1)
    config = actor("seqpo.sspo")
    config.global_batch_info.update(dp_size=2, batch_num_tokens=1000, global_batch_size=100)
    assert theirs(batch, config)[1] == pytest.approx(theirs(batch, actor("seqpo.sspo"))[1])


@settings(max_examples=30, deadline=None)
@given(
    actions=st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=1, max_size=6).filter(
        lambda rows: any(map(any, rows))
    ),
    size=st.integers(1, 3),
)
def test_any_mask_in_any_micro_batches(actions: list[list[bool]], size: int) -> None:
    """Rows without actions are among verl's global batch, so they count in the mean over episodes."""
    batch = make_batch(rows=len(actions), time=4)
    batch.mask[:] = torch.tensor(actions)
    layout, denominators = batch.layout, Denominators(episodes=len(actions), tokens=int(batch.mask.sum()))
    flat = (layout.flat(tensor) for tensor in (batch.logprobs, batch.old, batch.advantages))
    whole = objectives.get("sspo")(*flat, layout.segments, denominators).value
    config = actor("seqpo.sspo")
    config.global_batch_info.update(
        dp_size=1, batch_num_tokens=denominators.tokens, global_batch_size=denominators.episodes
    )
    found, losses = torch.zeros_like(batch.old), []
    for first in range(0, len(actions), size):
        rows = list(range(len(actions)))[first : first + size]
        part = batch.rows(rows)
        losses.append(theirs(part, config)[0])
        found[rows] = gradient(losses[-1], part)
    same(torch.stack(losses).sum(), whole)
    same(found, gradient(whole, batch))


def jagged(values: Tensor, lengths: list[int]) -> Tensor:
    rows = [row[:length] for row, length in zip(values, lengths, strict=True)]
    return torch.nested.as_nested_tensor(rows, layout=torch.jagged)


def as_engine_data(batch: Batch, prompt: int = 2) -> tuple[dict[str, Tensor], TensorDict]:
    """What an engine hands to `ppo_loss`: sequences end to end, each log-prob one place early."""
    lengths = [int(row.nonzero().max()) + 1 for row in batch.mask]
    pieces = []
    for row, length in zip(batch.logprobs, lengths, strict=True):
        pieces.append(torch.cat([row.new_zeros(prompt - 1), row[:length], row.new_zeros(1)]))
    output = {"log_probs": torch.nested.as_nested_tensor(pieces, layout=torch.jagged)}
    prompts = torch.ones(len(lengths), prompt, dtype=torch.long)
    data = TensorDict(
        {
            "prompts": jagged(prompts, [prompt] * len(lengths)),
            "responses": jagged(torch.ones_like(batch.mask), lengths),
            "response_mask": jagged(batch.mask, lengths),
            "old_log_probs": jagged(batch.old, lengths),
            "advantages": jagged(batch.advantages, lengths),
        },
        batch_size=len(lengths),
    )
    for key, value in {"dp_size": 1, "batch_num_tokens": int(batch.mask.sum()), "global_batch_size": 6}.items():
        data.set_non_tensor(key, value)
    return output, data


@pytest.mark.parametrize("name", ["sspo", "gspo", "cispo", "gmpo"])
def test_verls_own_caller_gets_the_objective(name: str) -> None:
    batch = make_batch(seed=2)
    loss, metrics = ppo_loss(actor(f"seqpo.{name}"), *as_engine_data(batch))
    direct = ours(batch, name).value
    same(loss, direct)
    same(gradient(loss, batch), gradient(direct, batch))
    assert metrics["actor/pg_loss"].aggregate() == pytest.approx(direct.item())
    assert metrics["actor/seqpo_effective_sample_size"].aggregate() <= 1


def test_weights_of_the_rollout_weigh_advantages() -> None:
    batch = make_batch(seed=3)
    weights = torch.rand(batch.mask.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    loss, _ = theirs(batch, actor("seqpo.ppo"), rollout_is_weights=weights)
    same(loss, ours(batch, "ppo", weights).value)


def test_a_micro_batch_without_actions_costs_nothing_and_has_a_gradient() -> None:
    batch = make_batch()
    batch.mask.zero_()
    with torch.no_grad():
        batch.logprobs.fill_(float("nan"))  # padding
    loss, metrics = theirs(batch, actor("seqpo.sspo"))
    assert loss.item() == 0
    assert gradient(loss, batch).abs().max() == 0
    assert set(metrics) == set(theirs(make_batch(), actor("seqpo.sspo"))[1])


def test_padding_may_hold_anything() -> None:
    batch = make_batch()
    expected = theirs(batch, actor("seqpo.sspo"))[0]
    with torch.no_grad():
        batch.logprobs[batch.mask == 0] = float("nan")
    same(theirs(batch, actor("seqpo.sspo"))[0], expected)


def compose(*overrides: str) -> Any:
    """The configuration of verl's `main_ppo`, with overrides of its command line."""
    import hydra
    import verl

    with hydra.initialize_config_dir(str(Path(verl.__file__).parent / "trainer/config"), version_base=None):
        return hydra.compose("ppo_trainer", list(overrides))


def hydra_actor(*overrides: str) -> Any:
    """verl's actor section with overrides, made as its workers make it."""
    section = "actor_rollout_ref.actor"
    config = compose(f"{section}.ppo_micro_batch_size_per_gpu=1", *(text.format(section) for text in overrides))
    return omega_conf_to_dataclass(config.actor_rollout_ref.actor)


def test_options_travel_through_verls_configuration() -> None:
    loss_section = "{}.policy_loss"
    config = hydra_actor(
        f"{loss_section}._target_=seqpo.adapters.verl.LossConfig",
        f"{loss_section}.loss_mode=seqpo.sspo",
        f"+{loss_section}.seqpo.gate=tanh",
        f"+{loss_section}.seqpo.tau_pos=2",
    )
    batch = make_batch(seed=4)
    same(theirs(batch, config)[0], ours(batch, "sspo", gate="tanh", tau_pos=2).value)


def test_names_travel_through_verls_configuration_without_options() -> None:
    config = hydra_actor("{}.policy_loss.loss_mode=seqpo.gmpo", "{}.loss_agg_mode=seq-mean-token-mean")
    batch = make_batch(seed=4)
    same(theirs(batch, config)[0], ours(batch, "gmpo").value)


@pytest.mark.parametrize(
    ("config", "error"),
    [
        (lambda: actor("seqpo.sspo", loss_agg_mode="token-sum"), "averages by sequence-mean"),
        (lambda: actor("seqpo.ppo", loss_agg_mode="seq-mean-token-sum"), "averages by token-mean"),
        (lambda: actor("seqpo.sspo", clip_ratio_high=0.3), r"clip_ratio_high=0.3 has no effect on seqpo\.sspo"),
        (lambda: actor("seqpo.sapo", tau_pos=2.0), r"tau_pos=2.0 has no effect"),
        (lambda: actor("seqpo.dr-grpo", loss_scale_factor=7), "loss_scale_factor=7 has no effect"),
        (lambda: actor("seqpo.gspo", {"epsilon": 0.1}), "no option epsilon"),
    ],
)
def test_settings_without_effect_are_refused(config: Callable[[], Any], error: str) -> None:
    with pytest.raises(ValueError, match=error):
        theirs(make_batch(), config())


@pytest.mark.parametrize(
    ("name", "accepted"),
    [
        ("sspo", {"loss_agg_mode": "seq-mean-token-mean"}),
        ("luspo", {"loss_agg_mode": "seq-mean-token-sum"}),
        ("dr-grpo", {"loss_agg_mode": "seq-mean-token-sum-norm", "loss_scale_factor": 1024}),
    ],
)
def test_the_objectives_own_average_is_accepted(name: str, accepted: dict[str, Any]) -> None:
    batch = make_batch()
    same(theirs(batch, actor(f"seqpo.{name}", **accepted))[0], ours(batch, name).value)


def test_several_ranks_need_the_sizes_of_the_global_batch() -> None:
    config = actor("seqpo.ppo")
    config.global_batch_info.update(dp_size=2)
    with pytest.raises(ValueError, match="batch_num_tokens and global_batch_size"):
        theirs(make_batch(), config)


def test_an_objective_of_your_own() -> None:
    adapter.register_objective("my-sspo", partial(objectives.get, "sspo", gate="erf"))
    batch = make_batch()
    same(theirs(batch, actor("my-sspo"))[0], ours(batch, "sspo", gate="erf").value)


# Advantages.


def estimated(batch: Batch, rewards: Tensor, name: str, algorithm: dict[str, Any] | None = None, **more: Tensor) -> Any:
    """The advantages and returns that verl's trainer computes."""
    config = OmegaConf.create({"gamma": 1.0, "lam": 1.0, "norm_adv_by_std_in_grpo": True, **(algorithm or {})})
    tensors = {"token_level_rewards": rewards, "response_mask": batch.mask, **more}
    data = DataProto.from_dict(tensors, non_tensors={"uid": batch.uid})
    found = compute_advantage(data, name, gamma=config.gamma, lam=config.lam, config=config)
    return found.batch["advantages"], found.batch["returns"]


def turn_rewards(batch: Batch, rewards: Tensor) -> Tensor:
    """`[turns]`, turn by turn."""
    layout = batch.layout
    return layout.segments.sum(layout.flat(rewards), "turn")


@pytest.mark.parametrize("name", FROM_REWARDS)
def test_estimator_is_the_advantage(name: str) -> None:
    batch = make_batch(seed=5)
    rewards = make_rewards(batch)
    found, returns = estimated(batch, rewards, f"seqpo.{name}")
    layout = batch.layout
    same(found, layout.pad(advantages.get(name)(turn_rewards(batch, rewards), layout.segments)))
    assert (found[batch.mask == 0] == 0).all()
    assert (returns[batch.mask == 0] == 0).all()
    same(returns[:, 0], rewards.sum(1))


def test_options_of_an_advantage_travel_through_the_configuration() -> None:
    batch = make_batch(seed=6)
    rewards = make_rewards(batch)
    found, _ = estimated(batch, rewards, "seqpo.return-to-go", {"seqpo": {"scale": "none", "discount": 0.5}})
    layout = batch.layout
    direct = advantages.get("return-to-go", scale="none", discount=0.5)(turn_rewards(batch, rewards), layout.segments)
    same(found, layout.pad(direct))


def test_a_reward_on_an_observation_belongs_to_the_turn_before() -> None:
    batch = make_batch(rows=2, time=6)
    batch.mask[:] = torch.tensor([[0, 1, 0, 1, 1, 0], [0, 0, 1, 1, 0, 1]])
    rewards = torch.tensor([[1.0, 2, 4, 0, 8, 16], [32.0, 0, 0, 0, 64, 128]], dtype=torch.float64)
    found, _ = estimated(batch, rewards, "seqpo.return-to-go", {"seqpo": {"scale": "none"}})
    turns = torch.tensor([[0, 31, 0, 24, 24, 0], [0, 0, 224, 224, 0, 128]], dtype=torch.float64)
    first, second = (31 + 224) / 2, (24 + 128) / 2
    mean = torch.tensor([[0, first, 0, second, second, 0], [0, 0, first, first, 0, second]], dtype=torch.float64)
    same(found, turns - mean)


def test_a_row_without_actions_gets_nothing_and_counts_for_nobody() -> None:
    batch = make_batch(seed=7)
    batch.mask[1] = 0
    rewards = make_rewards(batch)
    rewards[1, -1] = 100.0
    found, _ = estimated(batch, rewards, "seqpo.dr-grpo")
    assert (found[1] == 0).all()
    group = rewards[[0, 2]].sum(1)
    assert found[0, 0].item() == pytest.approx((group[0] - group.mean()).item())


def test_greedy_returns_are_remaxs_baseline() -> None:
    batch = make_batch(seed=8, rows=9)
    batch.mask[:3] = 0
    rewards = make_rewards(batch)
    greedy = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64).repeat_interleave(3)
    found, _ = estimated(batch, rewards, "seqpo.remax", reward_baselines=greedy)
    layout = batch.layout
    given = AdvantageInputs(greedy=torch.tensor([2.0, 3.0], dtype=torch.float64))
    same(found, layout.pad(advantages.get("remax")(turn_rewards(batch, rewards), layout.segments, given)))
    with pytest.raises(ValueError, match=r"needs inputs\.greedy"):
        estimated(batch, rewards, "seqpo.remax")


@pytest.mark.parametrize("algorithm", [{"gamma": 0.9}, {"lam": 0.9}, {"norm_adv_by_std_in_grpo": False}])
def test_settings_of_verls_estimators_are_refused(algorithm: dict[str, Any]) -> None:
    batch = make_batch()
    with pytest.raises(ValueError, match=r"has no effect on seqpo\.grpo"):
        estimated(batch, make_rewards(batch), "seqpo.grpo", algorithm)


@pytest.mark.parametrize("name", ["gae", "sppo", "gu", "gigpo", "spo"])
def test_what_verl_cannot_provide_is_not_registered(name: str) -> None:
    with pytest.raises(ValueError, match=f"seqpo.{name}"):
        get_adv_estimator_fn(f"seqpo.{name}")


def test_an_advantage_of_your_own() -> None:
    adapter.register_advantage("my-rloo", partial(advantages.get, "rloo", scale="group-std"))
    batch = make_batch()
    rewards = make_rewards(batch)
    layout = batch.layout
    direct = advantages.get("rloo", scale="group-std")(turn_rewards(batch, rewards), layout.segments)
    same(estimated(batch, rewards, "my-rloo")[0], layout.pad(direct))


# The way in.


def test_the_recipe_of_the_page_is_one_that_verl_accepts() -> None:
    page = (Path(__file__).parents[2] / "docs/verl.md").read_text()
    command = page.partition("verl.trainer.main_ppo \\\n")[2].partition("```")[0]
    config = compose(*command.replace("\\\n", " ").split())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there will be no critic
        validate_config(config, need_reference_policy(config), need_critic(config))
    found = omega_conf_to_dataclass(config.actor_rollout_ref.actor)
    batch = make_batch()
    same(theirs(batch, found)[0], ours(batch, "sspo").value)
    get_adv_estimator_fn(config.algorithm.adv_estimator)


def test_verl_registers_us_in_every_process_that_has_the_variable() -> None:
    program = (
        "from verl.trainer.ppo.core_algos import get_adv_estimator_fn, get_policy_loss_fn\n"
        "get_policy_loss_fn('seqpo.sspo'), get_adv_estimator_fn('seqpo.rloo')"
    )
    environment = {**os.environ, "VERL_USE_EXTERNAL_MODULES": "seqpo.adapters.verl"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_without_verl_the_import_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "verl.trainer.config", None)
    monkeypatch.delitem(sys.modules, "seqpo.adapters.verl")
    with pytest.raises(ImportError, match=r"pip install 'verl\[verl-core\]==0\.9\.1'"):
        __import__("seqpo.adapters.verl")
