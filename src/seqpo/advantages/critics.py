"""What a critic is trained on."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits


def cross_entropy_value_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """SPPO's loss of a critic whose value is σ(logit), for returns in [0, 1] (2604.08865, Eq. 2).

    Soft targets are allowed; the minimiser is their conditional mean.

    Args:
        logits: `[units]`, differentiable.
        targets: `[units]` returns.

    Returns:
        `[units]` losses.
    """
    return binary_cross_entropy_with_logits(logits, targets.to(logits.dtype), reduction="none")


def squared_value_loss(
    values: Tensor, targets: Tensor, behaviour: Tensor | None = None, clip: float | None = None
) -> Tensor:
    """Half the squared error, or, given `clip`, PPO's pessimistic clip around the values at sampling time.

    Args:
        values: `[units]` predictions, differentiable.
        targets: `[units]` returns, or A + V of `gae`.
        behaviour: `[units]` predictions from when the episodes were sampled; needed by `clip`.
        clip: how far a prediction may move before its gradient is lost.

    Returns:
        `[units]` losses.

    Raises:
        ValueError: one of `behaviour` and `clip` without the other.
    """
    if (behaviour is None) != (clip is None):
        raise ValueError("clip keeps values near behaviour: give both or neither")
    error = (values - targets).square()
    if behaviour is not None and clip is not None:
        near = behaviour + (values - behaviour).clamp(-clip, clip)
        error = error.maximum((near - targets).square())
    return error / 2
