"""Beginnings of options of GRPOConfig that something else decides here: changed ones are refused, not ignored."""

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
