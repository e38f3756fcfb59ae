"""The forward pass that streams share: an inference copy of a causal language model, with a ragged cache."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from transformers import PreTrainedModel

from seqpo.sessions.cache import RAGGED_ATTENTION, Plan, RaggedCache, make_plan


class RaggedModel:
    """A copy of a causal language model that encodes tokens of many streams at once, each at its own place.

    Args:
        model: the original; it is left as it is.
        slots: most streams at a time.
        dtype: of the copy's weights and of the cache; the model's own when None.

    Raises:
        ValueError: a model whose attention cannot be replaced, or that does not attend to all of the past.
    """

    def __init__(self, model: PreTrainedModel, slots: int, dtype: torch.dtype | None = None) -> None:
        self._model = _inference_copy(model, dtype)
        self._body = self._model.base_model
        self._head = self._model.get_output_embeddings()
        self.cache = RaggedCache(self._model.config, slots, self._model.device, self._model.dtype)
        self.positions: int | None = getattr(self._model.config, "max_position_embeddings", None)

    def plan(self, lengths: list[int], counts: list[int], kept: int = 0) -> Plan:
        """Plan a pass in which slot i, that already holds `lengths[i]` tokens, brings `counts[i]` more.

        Args:
            lengths: of the first slots.
            counts: tokens that each brings; 0 for those that rest.
            kept: tokens of the longest stream in any slot, these or others.

        Raises:
            RuntimeError: a stream has grown past the longest position that the model knows.
        """
        longest = max(held + brought for held, brought in zip(lengths, counts, strict=True))
        if self.positions is not None and longest > self.positions:
            raise RuntimeError(f"a stream has grown past the model's {self.positions} positions")
        span = self.cache.span(max(longest, kept))
        return make_plan(lengths, counts, span, self._model.device, self._model.dtype)

    @torch.no_grad()
    def encode(self, tokens: Sequence[int], plan: Plan) -> Tensor:
        """Encode a flat row of tokens as planned: `[N, hidden]`."""
        self.cache.prepare(plan)
        output = self._body(
            input_ids=torch.tensor([tokens], device=self._model.device),
            position_ids=plan.positions[None],
            past_key_values=self.cache,
            use_cache=True,
            ragged_plan=plan,
        )
        hidden: Tensor = output.last_hidden_state[0]
        return hidden

    @torch.no_grad()
    def logits(self, hidden: Tensor, rows: Sequence[int]) -> Tensor:
        """Return the next-token logits of some rows of what `encode` returned: `[rows, vocabulary]`."""
        logits: Tensor = self._head(hidden[torch.tensor(rows, device=hidden.device)])
        return logits

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Take new weights, by the names of the model's state; what is cached no longer fits them.

        Raises:
            ValueError: a name that the model doesn't have. (Tied weights may come under one of their names.)
        """
        unknown = self._model.load_state_dict(weights, strict=False).unexpected_keys
        if unknown:
            raise ValueError(f"the model has no weight {unknown[0]!r}: these weights are another model's")


def _inference_copy(model: PreTrainedModel, dtype: torch.dtype | None) -> PreTrainedModel:
    twin: PreTrainedModel = copy.deepcopy(model).eval().requires_grad_(False).to(dtype or model.dtype)
    try:
        twin.set_attn_implementation(RAGGED_ATTENTION)
    except (ValueError, AttributeError) as error:
        raise ValueError(
            f"{type(model).__name__} does not take its attention from Transformers' registry, "
            "so it cannot run ragged sessions; use a Llama-, Qwen- or Mistral-type model"
        ) from error
    kinds = getattr(twin.config, "layer_types", None) or []
    if any(kind != "full_attention" for kind in kinds) or getattr(twin.config, "sliding_window", None):
        raise ValueError(f"{type(model).__name__} has layers without full attention; sessions need all of the past")
    return twin
