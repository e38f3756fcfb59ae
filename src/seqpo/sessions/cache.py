"""One key-value cache for many streams, each at its own place, and the attention that reads it.

A forward pass carries the tokens of all streams in one flat row, so that the linear layers see no padding: a
stream that reads a chunk brings several tokens, one that writes brings one. Only the attention looks at
streams: queries are laid out as `[slots, heads, longest, head_dim]`, and a slot's keys beyond a query's own
position are masked, so whatever lies there (an earlier tenant's, say) is never attended to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig
from transformers.cache_utils import Cache, DynamicLayer
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

RAGGED_ATTENTION = "seqpo-ragged"
"""Name under which `ragged_attention` is registered with Transformers."""

_STEP = 16  # the cache grows in steps, so that allocations and kernels are reused


@dataclass(frozen=True)
class Plan:
    """Where the N tokens of a flat forward pass belong.

    Attributes:
        rows: `[N]` slot of each token.
        columns: `[N]` place of each token among the tokens that its slot brings.
        positions: `[N]` position of each token in its stream.
        slots: number of slots in use; they are the first ones of the cache.
        longest: most tokens that any slot brings.
        mask: `[slots, 1, longest, span]` 0 where a query may look, −inf elsewhere.
    """

    rows: Tensor
    columns: Tensor
    positions: Tensor
    slots: int
    longest: int
    mask: Tensor

    @property
    def one_each(self) -> bool:
        """Whether each slot brings exactly one token: then flat and padded layouts are the same."""
        return self.longest == 1 and self.rows.numel() == self.slots


def make_plan(lengths: list[int], counts: list[int], span: int, device: torch.device, dtype: torch.dtype) -> Plan:
    """Plan a pass in which slot i, that already holds `lengths[i]` tokens, brings `counts[i]` more.

    Args:
        lengths: of the slots in use.
        counts: tokens that each brings; one of them at least brings some.
        span: positions of the cache, enough for the longest stream.
        device: of the model.
        dtype: of the mask.
    """
    held, brought = torch.tensor(lengths), torch.tensor(counts)
    rows = torch.repeat_interleave(torch.arange(len(counts)), brought)
    columns = torch.arange(len(rows)) - (brought.cumsum(0) - brought)[rows]
    longest = max(counts)
    # padded queries of a slot get the last position that the slot has, so that no row of the mask is empty
    own = (held[:, None] + torch.arange(longest)).minimum((held + brought - 1).clamp(min=0)[:, None])
    hidden = torch.arange(span) > own[:, None, :, None]
    mask = torch.zeros(hidden.shape, dtype=dtype).masked_fill_(hidden, float("-inf"))
    return Plan(
        rows=rows.to(device),
        columns=columns.to(device),
        positions=(held[rows] + columns).to(device),
        slots=len(counts),
        longest=longest,
        mask=mask.to(device),
    )


class RaggedCache(Cache):
    """Keys and values of all layers, `[slots, kv_heads, capacity, head_dim]` each.

    Attention reads the whole capacity, for products of strided slices would copy them first; so the capacity
    follows the longest stream closely, up and down.
    """

    def __init__(self, config: PreTrainedConfig, slots: int, device: torch.device, dtype: torch.dtype) -> None:
        super().__init__(layers=[DynamicLayer() for _ in range(config.num_hidden_layers)])
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        shape = (config.num_hidden_layers, slots, heads, _STEP, head_dim)
        self.stored_keys = torch.zeros(shape, device=device, dtype=dtype)
        self.stored_values = torch.zeros(shape, device=device, dtype=dtype)
        self.plan: Plan | None = None

    @property
    def capacity(self) -> int:
        """Tokens that a slot can hold at present."""
        return self.stored_keys.shape[3]

    def span(self, longest: int) -> int:
        """Return the capacity to use for streams of `longest` tokens: the present one unless it is far off."""
        if self.capacity / 2 <= longest <= self.capacity:
            return self.capacity
        return -(-longest // _STEP) * _STEP

    def prepare(self, plan: Plan) -> None:
        """Take the capacity that a pass was planned with, and let `update` write where the plan says."""
        if more := plan.mask.shape[-1] - self.capacity:  # a negative padding cuts
            self.stored_keys = nn.functional.pad(self.stored_keys, (0, 0, 0, more))
            self.stored_values = nn.functional.pad(self.stored_values, (0, 0, 0, more))
        self.plan = plan

    def update(
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Store `[1, kv_heads, N, head_dim]` keys and values; return what the slots in use hold."""
        plan = self.plan
        assert plan is not None, "prepare() comes before the forward pass"
        keys, values = self.stored_keys[layer_idx], self.stored_values[layer_idx]
        keys[plan.rows, :, plan.positions] = key_states[0].transpose(0, 1)
        values[plan.rows, :, plan.positions] = value_states[0].transpose(0, 1)
        return keys[: plan.slots], values[: plan.slots]

    def copy(self, source: int, target: int, length: int) -> None:
        """Copy the first `length` positions of one slot to another."""
        self.stored_keys[:, target, :, :length] = self.stored_keys[:, source, :, :length]
        self.stored_values[:, target, :, :length] = self.stored_values[:, source, :, :length]


def ragged_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    ragged_plan: Plan,
    scaling: float | None = None,
    softcap: float | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attend from a flat row of queries to the slots of a `RaggedCache`.

    Plain matrix products and a softmax: for one-token steps on a CPU they are several times faster than the
    fused kernel.

    Args:
        module: the attention layer.
        query: `[1, heads, N, head_dim]`.
        key: `[slots, kv_heads, span, head_dim]`, as returned by `RaggedCache.update`.
        value: like `key`.
        attention_mask: unused; the plan holds the mask.
        ragged_plan: where the N tokens belong.
        scaling: factor of the scores; head_dim^-1/2 when None.
        softcap: bound on the scores, for models that have one.

    Returns:
        `[1, N, heads, head_dim]`, and no attention weights.
    """
    plan = ragged_plan
    heads, kv_heads, head_dim = query.shape[1], key.shape[1], query.shape[3]
    sharing = heads // kv_heads
    flat = query[0].transpose(0, 1)  # [N, heads, head_dim]
    if plan.one_each:
        padded = flat.unsqueeze(2)
    else:
        padded = flat.new_zeros(plan.slots, heads, plan.longest, head_dim)
        padded[plan.rows, :, plan.columns] = flat
    scaled = padded * (scaling if scaling is not None else head_dim**-0.5)
    scores = scaled.reshape(plan.slots, kv_heads, sharing * plan.longest, head_dim) @ key.transpose(2, 3)
    if softcap is not None:
        scores = softcap * torch.tanh(scores / softcap)
    mask = plan.mask if sharing == 1 else plan.mask.repeat(1, 1, sharing, 1)
    weights = torch.softmax(scores + mask, dim=-1, dtype=torch.float32 if scores.dtype.itemsize < 4 else None)
    mixed = (weights.to(value.dtype) @ value).view(plan.slots, heads, plan.longest, head_dim)
    if plan.one_each:
        return mixed.transpose(1, 2).reshape(1, plan.slots, heads, head_dim), None
    return mixed[plan.rows, :, plan.columns].unsqueeze(0), None


ALL_ATTENTION_FUNCTIONS.register(RAGGED_ATTENTION, ragged_attention)
