"""Choosing the next token of many streams at once, and the log-prob of the choice.

Samples are drawn by inverting the cumulative distribution at a uniform number that belongs to the stream and
to its place, so what a stream says does not depend on its neighbours in the batch, nor on the process it runs in.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


class Uniforms:
    """The uniform numbers of one stream: a counter-based generator keyed by a seed and the stream's number."""

    def __init__(self, seed: int, stream: int) -> None:
        self._generator = np.random.Generator(np.random.Philox(key=[seed % 2**64, stream % 2**64]))
        self._ahead: list[float] = []

    def next(self) -> float:
        """Draw the next number in [0, 1)."""
        if not self._ahead:
            self._ahead = self._generator.random(32).tolist()[::-1]
        return self._ahead.pop()


def choose(logits: Tensor, uniforms: Tensor | None, temperature: float = 1.0) -> tuple[Tensor, Tensor]:
    """Choose a token per row.

    Args:
        logits: `[rows, vocabulary]`; −inf for what must not be chosen.
        uniforms: `[rows]` numbers in [0, 1) to sample at; None chooses the likeliest token.
        temperature: divides the logits before the softmax, also for the returned log-probs.

    Returns:
        `[rows]` tokens, and `[rows]` their log-probs under the distribution that they were chosen from, in
        float32 or wider.
    """
    wide = logits.to(torch.promote_types(logits.dtype, torch.float32)) / temperature
    logprobs = torch.log_softmax(wide, dim=-1)
    if uniforms is None:
        tokens = logprobs.argmax(dim=-1)
    else:
        cumulative = logprobs.exp().cumsum(dim=-1)
        # scaling by the last sum, not by 1, keeps rounding from ever pointing past the last token with a chance
        target = uniforms.to(cumulative) * cumulative[:, -1]
        tokens = torch.searchsorted(cumulative, target[:, None], right=True).squeeze(1)
        tokens = tokens.clamp(max=logits.shape[-1] - 1)
    return tokens, logprobs.gather(1, tokens[:, None]).squeeze(1)
