"""Optimizer steps: accumulate the parts of a step, clip, and refuse to take a step that isn't finite."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from seqpo.training.world import World, last_backward

Decay = Literal["constant", "linear", "cosine"]


class DivergenceError(RuntimeError):
    """A loss or gradient that isn't finite; the weights are those of before the step."""


@dataclass(frozen=True)
class OptimizerConfig:
    """AdamW, and how its learning rate runs.

    Attributes:
        lr: peak learning rate.
        warmup: steps of linear warm-up.
        decay: how the rate falls after the warm-up, to a tenth of the peak at the last step; or "constant".
        betas: AdamW's running averages.
        weight_decay: of matrices; vectors (biases, norms) are not decayed.
        clip: largest global gradient norm; longer gradients are scaled down to it.
    """

    lr: float = 1e-3
    warmup: int = 100
    decay: Decay = "cosine"
    betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: float = 0.01
    clip: float = 1.0

    def __post_init__(self) -> None:
        if self.decay not in get_args(Decay):
            raise ValueError(f"unknown decay {self.decay!r}: choose one of {', '.join(get_args(Decay))}")
        if self.lr <= 0 or self.clip <= 0 or self.warmup < 0:
            raise ValueError("lr and clip must be positive, and warmup must not be negative")

    def rate(self, step: int, steps: int) -> float:
        """Learning rate of step `step` (from 0) of `steps`."""
        if step < self.warmup:
            return self.lr * (step + 1) / self.warmup
        done = (step - self.warmup) / max(1, steps - self.warmup)
        fall = {"constant": 1.0, "linear": 1 - done, "cosine": (1 + math.cos(math.pi * done)) / 2}[self.decay]
        return self.lr * (0.1 + 0.9 * fall)


class Updates:
    """Takes the optimizer steps of a module.

    Args:
        module: wrapped for its world.
        config: of the optimizer.
        world: whose processes share the step.
        steps: number of optimizer steps of the whole run.
    """

    def __init__(self, module: nn.Module, config: OptimizerConfig, world: World, steps: int) -> None:
        self.module = module
        self.config = config
        self.world = world
        self.steps = steps
        self.taken = 0
        parameters = [p for p in module.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay},
                {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
            ],
            lr=config.lr,
            betas=config.betas,
        )

    def step(self, losses: Sequence[Callable[[], Tensor]]) -> dict[str, float]:
        """Take one step on the sum of some losses, computed and differentiated one after the other.

        Args:
            losses: each computes its part of the loss; every process has the same number of them.

        Returns:
            The loss, summed over parts and processes, the norm of the gradient and the learning rate.

        Raises:
            DivergenceError: the loss or the gradient isn't finite; no step was taken.
        """
        rate = self.config.rate(self.taken, self.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        total = torch.zeros((), device=self.world.device)
        for index, compute in enumerate(losses):
            with last_backward(self.module, last=index == len(losses) - 1):
                loss = compute()
                (loss * self.world.step_scale).backward()
            total += loss.detach()
        loss_sum = float(self.world.all_sum(total))
        norm = nn.utils.clip_grad_norm_(self.module.parameters(), self.config.clip)
        norm_value = float(norm.full_tensor() if hasattr(norm, "full_tensor") else norm)
        if not (math.isfinite(loss_sum) and math.isfinite(norm_value)):
            message = self._diagnose(loss_sum, norm_value)
            self.optimizer.zero_grad()
            raise DivergenceError(message)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.taken += 1
        return {"loss": loss_sum, "grad_norm": norm_value, "lr": rate}

    def _diagnose(self, loss: float, norm: float) -> str:
        broken = [
            name
            for name, p in self.module.named_parameters()
            if p.grad is not None
            and not torch.isfinite(p.grad.to_local() if hasattr(p.grad, "to_local") else p.grad).all()
        ]
        where = f"; not finite in {len(broken)} gradients, first {broken[0]}" if broken else ""
        return (
            f"optimizer step {self.taken + 1} has loss {loss} and gradient norm {norm}{where}. No step was taken, "
            "and the last checkpoint is intact. A lower learning rate, more warm-up or float32 usually helps."
        )


def split_by_size(sizes: Sequence[int], budget: int, at_least: int = 1) -> list[list[int]]:
    """Cut things into parts of similar size whose padded total stays within a budget.

    Args:
        sizes: length of each thing.
        budget: most of (things in a part) × (longest of them); a thing above it is a part of its own.
        at_least: smallest number of parts (as other processes may need more); never more than there are things.

    Returns:
        Parts as lists of indices, longest things first.
    """
    order = sorted(range(len(sizes)), key=lambda index: (-sizes[index], index))
    parts: list[list[int]] = []
    for index in order:
        if parts and (len(parts[-1]) + 1) * sizes[parts[-1][0]] <= budget:
            parts[-1].append(index)
        else:
            parts.append([index])
    while len(parts) < min(at_least, len(sizes)):
        widest = max(range(len(parts)), key=lambda number: len(parts[number]))
        half = len(parts[widest]) // 2
        parts[widest : widest + 1] = [parts[widest][:half], parts[widest][half:]]
    return parts
