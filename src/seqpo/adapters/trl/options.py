"""Options of GRPOConfig that something else decides here: changed ones are refused, not ignored."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from trl import GRPOConfig

DECIDED_BY_OBJECTIVE = (
    "loss_type",
    "importance_sampling_level",
    "epsilon",
    "delta",
    "sapo_",
    "vespo_",
    "off_policy_mask_threshold",
    "top_entropy_quantile",
    "entropy_coef",
    "use_adaptive_entropy",
)
DECIDED_BY_ADVANTAGE = ("scale_rewards", "multi_objective_aggregation")
DECIDED_BY_ROLLOUT = (
    "top_p",
    "top_k",
    "min_p",
    "repetition_penalty",
    "generation_kwargs",
    "use_vllm",
    "use_transformers_continuous_batching",
)


def refuse_changed(args: Any, beginnings: tuple[str, ...], why: str) -> None:
    """Raise where an option of GRPOConfig, of a name that begins so, has been changed without an effect."""
    for option in fields(GRPOConfig):
        value = getattr(args, option.name)
        if option.name.startswith(beginnings) and value != option.default:
            raise ValueError(f"{option.name} = {value!r} would have no effect: {why}; leave it at {option.default!r}")
