"""The distributed seam: one process, or several under torchrun with DDP or FSDP2.

Losses are divided by counts of the whole optimizer step, so gradients of processes must be *summed*. DDP and
FSDP2 average; `World.step_scale` undoes it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, get_args

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.nn.parallel import DistributedDataParallel

Parallel = Literal["ddp", "fsdp2"]


@dataclass(frozen=True)
class World:
    """The processes of a run.

    Attributes:
        rank: number of this process.
        size: number of processes.
        device: where this process computes.
        parallel: how several processes share the model.
    """

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    parallel: Parallel = "ddp"

    @property
    def leads(self) -> bool:
        """Whether this process writes files and speaks on the console."""
        return self.rank == 0

    @property
    def step_scale(self) -> float:
        """What a loss is multiplied by, so that averaged gradients are sums."""
        return float(self.size)

    def wrap(self, module: nn.Module) -> nn.Module:
        """Put the module on the device and share it among the processes; once is enough."""
        module.to(self.device)
        if self.size == 1 or isinstance(module, (DistributedDataParallel, FSDPModule)):
            return module
        if self.parallel == "ddp":
            return DistributedDataParallel(module)
        for part in module.modules():
            if isinstance(part, nn.ModuleList):
                for layer in part:
                    fully_shard(layer)
        fully_shard(module)
        return module

    def all_sum(self, tensor: Tensor) -> Tensor:
        """Sum a tensor over the processes."""
        if self.size > 1:
            tensor = tensor.clone()
            dist.all_reduce(tensor)
        return tensor

    def most(self, number: int) -> int:
        """Return the largest of the processes' numbers."""
        if self.size == 1:
            return number
        tensor = torch.tensor(number, device=self.device)
        dist.all_reduce(tensor, dist.ReduceOp.MAX)
        return int(tensor)

    def barrier(self) -> None:
        """Wait for all processes."""
        if self.size > 1:
            dist.barrier()

    def share(self, count: int, what: str) -> slice:
        """Return this process's part of `count` things.

        Raises:
            ValueError: they can't be shared equally.
        """
        if count % self.size:
            raise ValueError(f"{count} {what} can't be shared by {self.size} processes: choose a multiple")
        each = count // self.size
        return slice(self.rank * each, (self.rank + 1) * each)


@contextmanager
def join_world(device: str, parallel: Parallel) -> Iterator[World]:
    """Join the processes that torchrun started, or run alone.

    Args:
        device: "cpu", "cuda", or "auto" for a CUDA GPU where there is one.
        parallel: how several processes share the model.

    Raises:
        ValueError: an unknown way of sharing, or a CUDA device where there is none.
    """
    if parallel not in get_args(Parallel):
        raise ValueError(f"unknown runtime.parallel {parallel!r}: choose one of {', '.join(get_args(Parallel))}")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError("runtime.device is 'cuda', but torch sees no CUDA GPU here; use 'cpu' or 'auto'")
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield World(device=torch.device(device), parallel=parallel)
        return
    rank = int(os.environ["RANK"])
    if device == "cuda":
        own = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(own)
    else:
        own = torch.device(device)
    dist.init_process_group("nccl" if own.type == "cuda" else "gloo")
    try:
        yield World(rank, size, own, parallel)
        dist.barrier()  # nobody leaves while another still talks to it
    finally:
        dist.destroy_process_group()


def full_weights(module: nn.Module) -> dict[str, Tensor]:
    """Gather the whole state of a module, on every process, by the names of the unwrapped module."""
    state = get_model_state_dict(module, options=StateDictOptions(full_state_dict=True))
    return {name: value for name, value in state.items() if isinstance(value, Tensor)}


@contextmanager
def last_backward(module: nn.Module, last: bool) -> Iterator[None]:
    """Exchange gradients only in the last backward pass of an optimizer step."""
    if isinstance(module, DistributedDataParallel) and not last:
        with module.no_sync():
            yield
        return
    if isinstance(module, FSDPModule):
        module.set_requires_gradient_sync(last)
    yield
