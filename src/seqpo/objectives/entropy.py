"""Entropy of the policy, to be added to an objective so that exploration goes on."""

from __future__ import annotations

import torch
from torch import Tensor


def exact_entropy(logits: Tensor) -> Tensor:
    """Compute the entropy of the distribution that the logits `[…, actions]` stand for: `[…]`, in nats.

    A logit of −∞ is an action that cannot be taken.
    """
    logprobs = torch.log_softmax(logits, dim=-1).clamp(min=torch.finfo(logits.dtype).min)
    return -(logprobs.exp() * logprobs).sum(-1)


def sampled_entropy(logprobs: Tensor) -> Tensor:
    """Estimate the entropy from the sampled tokens alone, where the logits are not at hand.

    The value −log π is unbiased on-policy. Its own gradient would be zero on average, so it carries the gradient
    −log π · ∇ log π instead, whose mean is the entropy's: ∇H = −E[(log π + 1) ∇ log π] = −E[log π · ∇ log π].

    Args:
        logprobs: `[N]` current log-probs of tokens that this policy, or one close to it, has sampled.

    Returns:
        `[N]`, in nats.
    """
    carrier = -logprobs.square() / 2
    return carrier + (-logprobs - carrier).detach()
