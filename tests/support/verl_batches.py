"""Random padded batches of several turns, and verl's own configuration of the actor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seqpo.objectives import Padded


@dataclass(frozen=True)
class Batch:
    """`[batch, time]` tensors in float64; `uid` names the group of each row."""

    mask: Tensor
    logprobs: Tensor
    old: Tensor
    advantages: Tensor
    uid: np.ndarray

    @property
    def layout(self) -> Padded:
        numbers = np.unique(self.uid, return_inverse=True)[1]
        return Padded.of(self.mask, torch.from_numpy(numbers))

    def rows(self, chosen: list[int]) -> Batch:
        parts = (tensor[chosen] for tensor in (self.mask, self.logprobs.detach(), self.old, self.advantages))
        mask, logprobs, old, advantages = parts
        return Batch(mask, logprobs.clone().requires_grad_(), old, advantages, self.uid[chosen])

    def arguments(self) -> dict[str, Tensor]:
        """What verl calls a policy loss with."""
        return {
            "old_log_prob": self.old,
            "log_prob": self.logprobs,
            "advantages": self.advantages,
            "response_mask": self.mask.bool(),
        }


def make_batch(seed: int = 0, scale: float = 0.3, rows: int = 6, time: int = 9, per_token: bool = False) -> Batch:
    """Rows of several turns, with observations between them; log-ratios have the standard deviation `scale`.

    Every row has an action; advantages are a row's, or a token's with `per_token`.
    """
    draw = torch.Generator().manual_seed(seed)
    mask = (torch.rand(rows, time, generator=draw) < 0.7).long()
    mask[:, 0] = 1
    logprobs = -3 * torch.rand(rows, time, generator=draw, dtype=torch.float64)
    old = logprobs + scale * torch.randn(rows, time, generator=draw, dtype=torch.float64)
    shape = (rows, time) if per_token else (rows, 1)
    advantages = torch.randn(shape, generator=draw, dtype=torch.float64).expand(rows, time) * mask
    uid = np.array([f"prompt-{row // 3}" for row in range(rows)], dtype=object)
    return Batch(mask, logprobs.requires_grad_(), old, advantages, uid)


def make_rewards(batch: Batch, seed: int = 0, at_end: bool = False) -> Tensor:
    """`[batch, time]` rewards at the last token of every turn, or of every row."""
    mask = batch.mask.bool()
    following = torch.zeros_like(mask)
    following[:, :-1] = mask[:, 1:]
    last = mask & ~following
    if at_end:
        last &= last.flip(1).long().cumsum(1).flip(1) == 1
    return torch.randn(mask.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * last


def actor(loss_mode: str = "vanilla", options: dict[str, Any] | None = None, **settings: Any) -> Any:
    """verl's configuration of an FSDP actor; `options` go to the objective."""
    from verl.workers.config import FSDPActorConfig

    from seqpo.adapters.verl import LossConfig

    loss = LossConfig(loss_mode=loss_mode, seqpo=options or {})
    return FSDPActorConfig(rollout_n=1, ppo_micro_batch_size_per_gpu=1, policy_loss=loss, **settings)


def gradient(loss: Tensor, batch: Batch) -> Tensor:
    return torch.autograd.grad(loss, batch.logprobs, retain_graph=True)[0]
