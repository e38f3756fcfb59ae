"""Choosing the next token of many streams at once, and the log-prob of the choice.

Samples are drawn by inverting the cumulative distribution at a uniform number that belongs to the stream and
to its place, so what a stream says does not depend on its neighbours in the batch, nor on the process it runs in.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

_BLOCK = 64  # a long cumulative sum is slow, two short ones are not


class Uniforms:
    """The uniform numbers of one stream: a counter-based generator keyed by a seed and the stream's number."""

    def __init__(self, seed: int, stream: int) -> None:
        self._generator = np.random.Generator(
            np.random.Philox(key=np.array([seed % 2**64, stream % 2**64], dtype=np.uint64))
        )
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
        uniforms: `[rows]` numbers in [0, 1) to sample at, NaN for the likeliest token; None is NaN for all.
        temperature: divides the logits before the softmax, also for the returned log-probs.

    Returns:
        `[rows]` tokens, and `[rows]` their log-probs under the distribution that they were chosen from, in
        float32 or wider.
    """
    wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
    if temperature != 1.0:
        wide = wide / temperature
    if uniforms is None:
        tokens = wide.argmax(dim=-1)
        return tokens, _at(wide, tokens) - wide.logsumexp(dim=-1)
    chances = torch.softmax(wide, dim=-1)
    tokens = _invert(chances, uniforms.nan_to_num().to(chances))
    if (greedy := uniforms.isnan()).any():
        tokens = torch.where(greedy, chances.argmax(dim=-1), tokens)
    return tokens, _at(chances, tokens).log()


def _invert(chances: Tensor, uniforms: Tensor) -> Tensor:
    """Find where the cumulative sums of rows pass the uniform numbers: first which block of entries, then which."""
    if over := chances.shape[-1] % _BLOCK:
        chances = nn.functional.pad(chances, (0, _BLOCK - over))
    blocks = chances.unflatten(1, (-1, _BLOCK))
    sums = blocks.sum(dim=-1)
    ends = sums.cumsum(dim=-1)
    target = uniforms * ends[:, -1]
    block = _first_beyond(ends, target)
    inside = blocks[torch.arange(len(block), device=block.device), block].cumsum(dim=-1)
    return block * _BLOCK + _first_beyond(inside, target - _at(ends, block) + _at(sums, block))


def _first_beyond(cumulative: Tensor, target: Tensor) -> Tensor:
    """Return the first place of each row whose sum is above the target, or else the last one that adds to it."""
    # rounding may put a target before the beginning or at the very end, where entries without a chance lie
    least = torch.nextafter(cumulative[:, -1], torch.zeros_like(target))
    return torch.searchsorted(cumulative, target.clamp(min=0).minimum(least)[:, None], right=True).squeeze(1)


def _at(table: Tensor, columns: Tensor) -> Tensor:
    return table.gather(1, columns[:, None]).squeeze(1)
