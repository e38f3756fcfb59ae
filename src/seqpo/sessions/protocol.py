"""What an engine is to those who use it: `play`, the policies and live streams use this and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor
from transformers import PreTrainedModel

Ability = Literal["quota", "fork"]
"""What not every engine can: follow a fixed schedule's quotas of units; begin a session where another one is."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a session wrote in one turn.

    Attributes:
        tokens: the chosen tokens; the last one is the stop token, unless the turn was cut at its limit.
        logprobs: log-prob of each, under the distribution it was chosen from.
    """

    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]


class OpenSession(Protocol):
    """One live stream of an engine."""

    @property
    def version(self) -> int:
        """The engine's when it was opened."""
        ...

    @property
    def writing(self) -> bool:
        """Whether its turn is under way."""
        ...

    def read(self, tokens: Sequence[int]) -> None:
        """Append tokens to what the stream has been given."""
        ...

    def write(self, limit: int, quota: int | None = None) -> None:
        """Let the policy write its next turn, of `limit` tokens at most, or of a quota of units."""
        ...

    def answer(self) -> Answer:
        """Return what was written in the last turn, so far."""
        ...

    def rewind(self) -> None:
        """Forget all that was read and written; the place is kept."""
        ...

    def close(self) -> None:
        """End the stream and free its place."""
        ...


class SessionEngine(Protocol):
    """Batched sessions of one policy.

    A session belongs to the weights that it was opened under, and ends when these change. With a seed it samples, by
    numbers that depend on the seed and its stream alone, and records the log-probs of the distribution sampled from.
    """

    @property
    def stop(self) -> int:
        """Token that ends a turn."""
        ...

    @property
    def version(self) -> int:
        """Number of times that the weights were replaced."""
        ...

    @property
    def free(self) -> int:
        """Number of sessions that can be opened now."""
        ...

    @property
    def can(self) -> frozenset[Ability]:
        """What it can, of that which not every engine can."""
        ...

    def open(self, *, seed: int | None = None, stream: int = 0) -> OpenSession:
        """Open a session; a greedy one without a seed."""
        ...

    def step(self) -> bool:
        """Run one pass for all sessions that are writing; return whether there was any."""
        ...

    def update_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Take new weights, by the names of the model's state. All sessions end."""
        ...


class MakesEngine(Protocol):
    """Makes an engine of a model; `seqpo.sessions.ENGINES` holds those that come with seqpo."""

    def __call__(
        self,
        model: PreTrainedModel,
        *,
        stop: int,
        slots: int = ...,
        temperature: float = ...,
        dtype: torch.dtype | None = ...,
        unit_starts: Tensor | None = ...,
    ) -> SessionEngine:
        """Make an engine.

        Args:
            model: a Transformers causal language model; the engine works on a copy of its weights.
            stop: token that ends a turn.
            slots: most sessions at a time.
            temperature: of sampling; recorded log-probs are those of the tempered distribution.
            dtype: of the engine's weights; the model's own when None.
            unit_starts: `[vocabulary]` number of units that begin with each token, for quotas.
        """
        ...
