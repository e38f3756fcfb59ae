"""KL(π_θ ‖ π_ref) as a term of the loss, estimated from the sampled tokens (Schulman's k1, k2, k3)."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

KLForm = Literal["k1", "k2", "k3", "k3+"]
KL_FORMS: tuple[KLForm, ...] = get_args(KLForm)


def kl_penalty(logprobs: Tensor, reference: Tensor, form: KLForm = "k3+") -> Tensor:
    """Estimate the KL to the reference for each token.

    With δ = log π_ref − log π, clamped to ±20:

    - k1 = −δ: unbiased as a value; its gradient is zero on average, so it belongs in the reward, not in a loss.
    - k2 = δ²/2: biased as a value; its gradient is the KL's own, on-policy.
    - k3 = e^δ − δ − 1: unbiased and positive as a value; its gradient is, on average, that of KL(π_ref ‖ π).
    - k3+: the value of k3 with the gradient of k2.

    Args:
        logprobs: `[N]` current log-probs, differentiable.
        reference: `[N]` log-probs of the same tokens under the frozen reference.
        form: the estimator.

    Returns:
        `[N]` penalties.

    Raises:
        ValueError: an unknown form.
    """
    if form not in KL_FORMS:
        raise ValueError(f"unknown KL form {form!r}: choose one of {', '.join(KL_FORMS)}")
    delta = (reference - logprobs).clamp(-20.0, 20.0)
    if form == "k1":
        return -delta
    if form == "k2":
        return delta.square() / 2
    k3 = torch.expm1(delta) - delta
    return k3 if form == "k3" else k3.detach() + (delta.square() / 2 - (delta.square() / 2).detach())
