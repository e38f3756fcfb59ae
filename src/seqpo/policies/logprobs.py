"""Log-probs of chosen tokens, without ever holding the logits of all of them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

CHUNK = 256
"""Tokens whose logits exist at a time: at a vocabulary of 152k, some 150 MB in float32."""


def chosen_logprobs(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    tokens: Tensor,
    temperature: float = 1.0,
    chunk: int = CHUNK,
) -> Tensor:
    """Return log softmax(hidden · weightᵀ + bias)[token] for each row.

    Forward and backward go through the rows in chunks; the backward computes a chunk's logits again and turns
    them into gradients at once, so that memory holds one chunk of logits whatever the number of tokens.

    Args:
        hidden: `[N, width]`, differentiable.
        weight: `[vocabulary, width]`, differentiable.
        bias: `[vocabulary]` or None, differentiable.
        tokens: `[N]` ids.
        temperature: divides the logits.
        chunk: rows at a time.

    Returns:
        `[N]`, in float32 or wider.
    """
    logprobs: Tensor = _ChosenLogprobs.apply(hidden, weight, bias, tokens, temperature, chunk)  # type: ignore[no-untyped-call]
    return logprobs


def _logits(hidden: Tensor, weight: Tensor, bias: Tensor | None, temperature: float) -> Tensor:
    logits = hidden @ weight.t()
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    if bias is not None:
        logits += bias
    return logits if temperature == 1.0 else logits.div_(temperature)


class _ChosenLogprobs(Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        tokens: Tensor,
        temperature: float,
        chunk: int,
    ) -> Tensor:
        ctx.save_for_backward(hidden, weight, bias, tokens)
        ctx.temperature, ctx.chunk = temperature, chunk
        used = weight.to(hidden.dtype)
        out = []
        for rows, ids in zip(hidden.split(chunk), tokens.split(chunk), strict=True):
            logits = _logits(rows, used, bias, temperature)
            out.append(logits.gather(1, ids[:, None]).squeeze(1) - logits.logsumexp(dim=1))
            del logits  # or it would live on while the next chunk's are made
        return torch.cat(out)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        hidden, weight, bias, tokens = ctx.saved_tensors
        used = weight.to(hidden.dtype)
        grad_hidden = torch.empty_like(hidden)
        grad_weight = torch.zeros_like(weight) if ctx.needs_input_grad[1] else None
        grad_bias = torch.zeros_like(bias) if bias is not None and ctx.needs_input_grad[2] else None
        for start in range(0, len(hidden), ctx.chunk):
            part = slice(start, start + ctx.chunk)
            rows, ids = hidden[part], tokens[part]
            # d log p[y] / d logits = onehot(y) − p, and the logits were divided by the temperature
            slope = torch.softmax(_logits(rows, used, bias, ctx.temperature), dim=1).neg_()
            slope[torch.arange(len(ids), device=ids.device), ids] += 1
            slope *= (grad[part] / ctx.temperature)[:, None]
            if grad_bias is not None:
                grad_bias += slope.sum(dim=0)
            slope = slope.to(hidden.dtype)
            torch.mm(slope, used, out=grad_hidden[part])
            if grad_weight is not None:
                if grad_weight.dtype == slope.dtype:
                    grad_weight.addmm_(slope.t(), rows)
                else:
                    grad_weight += slope.t() @ rows
            del slope
        return grad_hidden, grad_weight, grad_bias, None, None, None
