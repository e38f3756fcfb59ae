"""A causal language model as a policy: it answers what it is shown, token by token, and decides when to stop."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from seqpo.policies.logprobs import chosen_logprobs
from seqpo.policies.models import read_weights
from seqpo.sessions import Engine, MakesEngine, SessionEngine, play
from seqpo.types import Batch, Episode, TokenEnv, Turn


@dataclass(frozen=True)
class Row:
    """One token sequence to be encoded, and which of its tokens the policy chose."""

    tokens: list[int]
    chosen: list[int]


def rows_of(episode: Episode) -> Iterator[Row]:
    """Lay an episode out for a forward pass.

    Turns that append to the context share one row, so a whole interleaved episode is encoded once; an
    observation that resets the context (the cumulative layout) begins a row of its own.
    """
    tokens: list[int] = []
    chosen: list[int] = []
    for turn in episode.turns:
        if turn.observation.reset_context and tokens:
            yield Row(tokens, chosen)
            tokens, chosen = [], []
        tokens.extend(turn.observation.tokens)
        chosen.extend(range(len(tokens), len(tokens) + len(turn.action)))
        tokens.extend(turn.action)
    yield Row(tokens, chosen)


class TokenScorer(nn.Module):
    """The module that is trained: token rows to the log-probs of the chosen tokens.

    The log-probs are computed inside `forward`, so that wrappers that gather sharded weights for the length
    of a forward pass (DDP, FSDP2) cover the output layer too.
    """

    def __init__(self, model: PreTrainedModel, temperature: float = 1.0) -> None:
        super().__init__()
        self.model = model
        self.temperature = temperature

    def forward(self, tokens: Tensor, at: Tensor, chosen: Tensor) -> Tensor:
        """Score chosen tokens.

        Args:
            tokens: `[rows, longest]` ids, padded on the right (causal attention never sees the padding).
            at: `[N]` flat positions, in `rows × longest`, of the states that predict the chosen tokens.
            chosen: `[N]` ids.

        Returns:
            `[N]` log-probs.
        """
        states = self.model.base_model(input_ids=tokens, use_cache=False).last_hidden_state
        head = self.model.get_output_embeddings()
        picked = states.flatten(0, 1)[at]
        return chosen_logprobs(picked, head.weight, getattr(head, "bias", None), chosen, self.temperature)


class CausalLMPolicy:
    """A causal LM that samples whole episodes in batches and scores them with one forward pass each.

    Args:
        model: any Transformers causal LM with the standard attention registry.
        tokenizer: saved beside the weights; the policy itself works on ids.
        stop: id of the token that ends a turn.
        limit: most tokens of a turn.
        slots: streams that are sampled at a time.
        temperature: of sampling, and of the scored distribution.
        engine: makes the sampling engine.
        rollout_dtype: of the sampling engine's weights; the model's own when None.
        autocast: dtype of the training pass's matrix products; the weights' own when None.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        stop: int,
        limit: int = 32,
        slots: int = 64,
        temperature: float = 1.0,
        engine: MakesEngine = Engine,
        rollout_dtype: torch.dtype | None = None,
        autocast: torch.dtype | None = None,
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.limit = limit
        self.autocast = autocast
        self.module: nn.Module = TokenScorer(model, temperature)
        self.engine: SessionEngine = engine(model, stop=stop, slots=slots, temperature=temperature, dtype=rollout_dtype)

    def rollout(
        self, starts: Sequence[TokenEnv], group_size: int, *, seed: int | None, first: int = 0
    ) -> list[Episode]:
        """Sample `group_size` episodes from each start; greedily where `seed` is None.

        What an episode says depends on `seed`, on its start's number (counted from `first`) and on its place in
        the group, not on the batch it is sampled in.
        """
        envs = [start for start in starts for _ in range(group_size)]
        played = play(self.engine, envs, limit=self.limit, seed=seed, first_stream=first * group_size)
        return [
            Episode(
                start=first + number // group_size,
                turns=tuple(Turn(shown, answer.tokens, answer.logprobs) for shown, answer in turns),
                version=self.engine.version,
            )
            for number, turns in enumerate(played)
        ]

    def snapshot(self) -> Callable[[Batch], Tensor]:
        """Return the log-probs of the policy as it is now, whatever becomes of it: a frozen reference."""
        module = copy.deepcopy(self.module).eval().requires_grad_(False)
        return lambda batch: self._score(module, batch)

    def logprobs(self, batch: Batch) -> Tensor:
        """Score the action tokens of a batch under the current weights: `[N]`, differentiable."""
        return self._score(self.module, batch)

    def _score(self, module: nn.Module, batch: Batch) -> Tensor:
        device = batch.actions.device
        rows = [row for episode in batch.episodes for row in rows_of(episode)]
        longest = max(len(row.tokens) for row in rows)
        tokens = torch.zeros(len(rows), longest, dtype=torch.long)
        for index, row in enumerate(rows):
            tokens[index, : len(row.tokens)] = torch.tensor(row.tokens)
        at = [index * longest + place - 1 for index, row in enumerate(rows) for place in row.chosen]
        mixed = torch.autocast(device.type, self.autocast) if self.autocast else nullcontext()
        with mixed:
            scored: Tensor = module(tokens.to(device), torch.tensor(at, device=device), batch.actions)
        return scored

    def num_tokens(self, episodes: Sequence[Episode]) -> list[int]:
        """Tokens that a forward pass reads for each episode: what micro-batches are balanced by."""
        return [sum(len(row.tokens) for row in rows_of(episode)) for episode in episodes]

    def update_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Give the sampling engine the weights of `module`, by the names that its state has."""
        self.engine.update_weights({name.removeprefix("model."): value for name, value in weights.items()})

    def save(self, folder: Path, weights: Mapping[str, Tensor]) -> None:
        """Write a folder that Transformers can load: configuration, weights and tokenizer."""
        state = {name.removeprefix("model."): value for name, value in weights.items()}
        for tied in self.model.all_tied_weights_keys or ():
            state.pop(tied, None)  # gathered from shards or a GPU, it would be a second copy
        self.model.save_pretrained(folder, state_dict=state)
        self.tokenizer.save_pretrained(folder)

    def load(self, folder: Path) -> Mapping[str, Tensor]:
        """Read the weights of a folder that `save` wrote, by the names of the module's state.

        Raises:
            ValueError: there are none, or they can't be read.
        """
        return {f"model.{name}": value for name, value in read_weights(folder).items()}
