"""verl: every objective as a policy loss, every advantage that needs rewards alone as an estimator.

    export VERL_USE_EXTERNAL_MODULES=seqpo.adapters.verl
    python -m verl.trainer.main_ppo algorithm.adv_estimator=seqpo.rloo \
        actor_rollout_ref.actor.policy_loss.loss_mode=seqpo.sspo …

Importing this module registers the catalogs as `seqpo.<name>`; verl imports what the variable names in every process.
A run of ones in verl's `response_mask` is a turn, so tool output between actions parts turns. Tested with verl 0.9.1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor

from seqpo import advantages, objectives
from seqpo.advantages import Advantage, AdvantageInputs
from seqpo.objectives import Diagnostics, Padded, PolicyLoss
from seqpo.segments import Denominators, Segments, add_by

try:
    from verl.trainer.config import AlgoConfig
    from verl.trainer.ppo.core_algos import register_adv_est, register_policy_loss
    from verl.workers.config import ActorConfig, PolicyLossConfig
except ImportError as error:
    raise ImportError(
        f"seqpo.adapters.verl needs verl ({error}): pip install 'verl[verl-core]==0.9.1' beside seqpo"
    ) from error

Config = Mapping[str, Any]

_ACTOR_SETTINGS = ("clip_ratio", "clip_ratio_low", "clip_ratio_high", "clip_ratio_c", "tau_pos", "tau_neg")
_ALGORITHM_SETTINGS = ("gamma", "lam", "norm_adv_by_std_in_grpo", "gdpo_reward_keys", "gdpo_reward_weights")
_LOSS_AGG_MODES = {
    "token-mean": "token-mean",
    "sequence-mean": "seq-mean-token-mean",
    "sequence-sum": "seq-mean-token-sum",
    "constant-length": "seq-mean-token-sum-norm",
}


@dataclass
class LossConfig(PolicyLossConfig):  # type: ignore[misc]  # verl is not there when types are checked
    """verl's section `policy_loss` with room for an objective's options.

    verl's own class refuses unknown keys; this one takes its place by `policy_loss._target_`.

    Attributes:
        seqpo: options of the objective, as `seqpo.objectives.get` takes them.
    """

    seqpo: dict[str, Any] = field(default_factory=dict)


def register_objective(name: str, build: Callable[..., PolicyLoss]) -> None:
    """Make an objective known to verl: `actor_rollout_ref.actor.policy_loss.loss_mode=<name>`.

    Its loss is divided by the sizes of verl's global batch, so that micro-batches and ranks add up. The objective
    averages by itself: verl's `loss_agg_mode` still averages the entropy and the KL, and is refused where it
    contradicts; so are settings of verl's losses that would have no effect.

    Args:
        name: `loss_mode`.
        build: makes the objective from the options in `policy_loss.seqpo` (see `LossConfig`).
    """

    def policy_loss(
        old_log_prob: Tensor,
        log_prob: Tensor,
        advantages: Tensor,
        response_mask: Tensor,
        loss_agg_mode: str = "token-mean",
        config: Config | None = None,
        rollout_is_weights: Tensor | None = None,
    ) -> tuple[Tensor, dict[str, float]]:
        if config is None:
            raise ValueError(f"{name} needs verl's actor config: it holds the sizes of the global batch")
        objective = build(**config["policy_loss"].get("seqpo", {}))
        _check_actor(name, objective, loss_agg_mode, config)
        mask = response_mask.bool()
        if not mask.any():
            # an empty sum, for the backward pass of every rank must take the same road
            return log_prob[mask].sum(), _metrics(torch.zeros(5))
        if rollout_is_weights is not None:
            advantages = advantages * rollout_is_weights
        layout = Padded.of(mask)
        denominators, ranks = _global_batch(config["global_batch_info"], layout.segments)
        flat = layout.flat(log_prob), layout.flat(old_log_prob), layout.flat(advantages)
        loss = objective(*flat, layout.segments, denominators)
        # verl averages metrics over micro-batches, so each tells of its own tokens
        return loss.value * ranks, _metrics(loss.diagnostics.sums * (denominators.tokens / layout.segments.tokens))

    register_policy_loss(name)(policy_loss)


def register_advantage(name: str, build: Callable[..., Advantage]) -> None:
    """Make an advantage known to verl: `algorithm.adv_estimator=<name>`.

    Rows with the same `uid` are a group. verl hands out no critic's values but to its own `gae`, and greedy
    returns (`reward_baselines`) only where its trainer has rolled them out.

    Args:
        name: `adv_estimator`.
        build: makes the advantage from the options in `algorithm.seqpo`.
    """

    def estimate(
        token_level_rewards: Tensor,
        response_mask: Tensor,
        config: Config | None = None,
        index: Any = None,
        reward_baselines: Tensor | None = None,
        **_: Any,
    ) -> tuple[Tensor, Tensor]:
        settings = {} if config is None else config
        _refuse(name, settings, AlgoConfig, _ALGORITHM_SETTINGS, "algorithm")
        layout = Padded.of(response_mask, None if index is None else _numbers(index, response_mask.device))
        segments = layout.segments
        inputs = AdvantageInputs()
        if reward_baselines is not None:
            greedy = reward_baselines.new_zeros(segments.groups)
            greedy[segments.group] = reward_baselines[layout.rows]
            inputs = AdvantageInputs(greedy=greedy)
        advantage = build(**settings.get("seqpo", {}))
        found = layout.pad(advantage(_turn_rewards(token_level_rewards, layout), segments, inputs))
        to_go = token_level_rewards.flip(-1).cumsum(-1).flip(-1)
        return found, to_go * layout.mask

    register_adv_est(name)(estimate)


def _turn_rewards(rewards: Tensor, layout: Padded) -> Tensor:
    """`[turns]` sums of `[batch, time]` rewards; one on an observation belongs to the turn before it."""
    segments = layout.segments
    first = torch.searchsorted(segments.episode, torch.arange(segments.episodes, device=rewards.device))
    begun = layout.pad(segments.turn, -1).cummax(-1).values[layout.rows]
    turn = torch.maximum(begun, first[:, None])
    return add_by(rewards[layout.rows].flatten(), turn.flatten(), segments.turns)


def _numbers(uids: Any, device: torch.device) -> Tensor:
    """`[batch]` a number for each different uid."""
    known: dict[Any, int] = {}
    return torch.tensor([known.setdefault(uid, len(known)) for uid in uids], device=device)


def _global_batch(info: Config, segments: Segments) -> tuple[Denominators, int]:
    """Read the denominators of the whole optimizer step, and over how many ranks gradients are averaged."""
    ranks, tokens, rows = (info.get(key) for key in ("dp_size", "batch_num_tokens", "global_batch_size"))
    if (ranks or 1) > 1 and None in (tokens, rows):
        raise ValueError("on several ranks, global_batch_info must hold batch_num_tokens and global_batch_size")
    own = segments.denominators
    return Denominators(own.episodes if rows is None else rows, own.tokens if tokens is None else tokens), ranks or 1


def _metrics(sums: Tensor) -> dict[str, float]:
    return {f"actor/seqpo_{name}": value for name, value in Diagnostics(sums).as_dict().items()}


def _check_actor(name: str, objective: PolicyLoss, loss_agg_mode: str, config: Config) -> None:
    _refuse(name, config, ActorConfig, _ACTOR_SETTINGS, "actor_rollout_ref.actor.policy_loss")
    aggregate = getattr(objective, "aggregate", "itself")
    allowed = {"token-mean", _LOSS_AGG_MODES.get(aggregate, "token-mean")}
    if loss_agg_mode not in allowed:
        raise ValueError(
            f"loss_agg_mode={loss_agg_mode} contradicts {name}, which averages by {aggregate}: "
            f"set actor_rollout_ref.actor.loss_agg_mode to {' or '.join(sorted(allowed))}"
        )
    factor = config.get("loss_scale_factor")
    if factor not in (None, getattr(objective, "max_length", None)):
        raise ValueError(f"loss_scale_factor={factor} has no effect on {name}: it must be null, or max_length")


def _refuse(name: str, config: Config, defaults: type, settings: tuple[str, ...], section: str) -> None:
    """Refuse settings of verl's own losses and estimators that would be ignored."""
    for key in settings:
        default = getattr(defaults, key)
        if (value := config.get(key, default)) != default:
            raise ValueError(
                f"{key}={value} has no effect on {name}: leave it at {default}, "
                f"and give {name} options of its own, as +{section}.seqpo.<option>=…"
            )


for _name in objectives.names():
    register_objective(f"seqpo.{_name}", partial(objectives.get, _name))
for _name in advantages.names():
    if {"greedy"}.issuperset(advantages.get(_name).needs):
        register_advantage(f"seqpo.{_name}", partial(advantages.get, _name))
