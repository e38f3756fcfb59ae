"""Time and peak memory of the log-probs of chosen tokens, each way in a process of its own."""

from __future__ import annotations

import sys
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from seqpo.policies.logprobs import chosen_logprobs

Way = Literal["chunked", "plain"]


@dataclass(frozen=True)
class Scoring:
    """Size of the problem.

    Attributes:
        tokens: number of chosen tokens.
        vocabulary: entries that each is chosen from.
        width: of the hidden states.
    """

    tokens: int = 4096
    vocabulary: int = 151_936
    width: int = 256


@dataclass(frozen=True)
class Measured:
    """What one way took, and what it computed.

    Attributes:
        seconds: of the forward and the backward pass.
        peak: most bytes that were resident during them, above those before.
        values: the log-probs, and the gradients of the hidden states and of the output layer.
    """

    seconds: float
    peak: int
    values: dict[str, npt.NDArray[np.float32]]


def measure(way: Way, size: Scoring, threads: int) -> Measured:
    """Run a forward and a backward pass in float32 in a fresh process, whose peak nothing else has raised.

    The gradient of the output layer comes back as its product with one direction, `[vocabulary]`.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_measure, way, size, threads).result()


def _measure(way: Way, size: Scoring, threads: int) -> Measured:
    torch.set_num_threads(threads)
    _pass(way, *_inputs(Scoring(tokens=8, vocabulary=16, width=size.width)))  # loads what a first call loads
    hidden, weight, tokens = _inputs(size)
    base, began = peak_resident(), time.perf_counter()
    logprobs = _pass(way, hidden, weight, tokens)
    seconds, peak = time.perf_counter() - began, peak_resident() - base
    assert hidden.grad is not None
    assert weight.grad is not None
    values = {
        "log-probs": logprobs,
        "gradient of the hidden states": hidden.grad,
        "gradient of the output layer": weight.grad @ torch.linspace(-1, 1, size.width),
    }
    return Measured(seconds, max(peak, 1), {name: value.numpy() for name, value in values.items()})


def _inputs(size: Scoring) -> tuple[Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(0)
    hidden = torch.randn(size.tokens, size.width, generator=draw)
    weight = torch.randn(size.vocabulary, size.width, generator=draw).mul_(0.02)
    tokens = torch.randint(size.vocabulary, (size.tokens,), generator=draw)
    return hidden.requires_grad_(), weight.requires_grad_(), tokens


def _pass(way: Way, hidden: Tensor, weight: Tensor, tokens: Tensor) -> Tensor:
    if way == "chunked":
        logprobs = chosen_logprobs(hidden, weight, None, tokens)
    else:
        logprobs = torch.log_softmax(hidden @ weight.t(), dim=1).gather(1, tokens[:, None]).squeeze(1)
    logprobs.sum().backward()
    return logprobs.detach()


def reset_peak() -> int:
    """Forget earlier peaks, where the system can (Linux); return the bytes that are resident, or else were at most."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return peak_resident()


def peak_resident() -> int:
    """Return the most bytes that this process has had in memory."""
    status = Path("/proc/self/status")
    if status.exists():  # here getrusage would count what the parent process had at its fork, too
        [line] = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1]) * 1024
    import resource

    usage: Any = resource.getrusage(resource.RUSAGE_SELF)
    return int(usage.ru_maxrss) * (1 if sys.platform == "darwin" else 1024)
