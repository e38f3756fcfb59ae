"""An engine without a model, in plain Python: it chooses each token by the last one, as `models.markov` does."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate

import torch
from torch import Tensor
from transformers import PreTrainedModel

from seqpo.sampling import Uniforms
from seqpo.sessions import Answer, MakesEngine
from seqpo.sessions.protocol import Ability


class TableSession:
    """A stream of a `TableEngine`."""

    def __init__(self, engine: TableEngine, uniforms: Uniforms | None) -> None:
        self.engine = engine
        self.version = engine.version
        self.uniforms = uniforms
        self.writing = False
        self.context: list[int] = []
        self.tokens: list[int] = []
        self.logprobs: list[float] = []
        self.limit = 0

    def read(self, tokens: Sequence[int]) -> None:
        self.context.extend(tokens)

    def write(self, limit: int, quota: int | None = None) -> None:
        assert quota is None
        self.tokens, self.logprobs, self.limit, self.writing = [], [], limit, True

    def answer(self) -> Answer:
        return Answer(tuple(self.tokens), tuple(self.logprobs))

    def rewind(self) -> None:
        self.context.clear()

    def close(self) -> None:
        self.engine.sessions.remove(self)

    def choose(self) -> None:
        chances = self.engine.chances[self.context[-1]]
        if self.uniforms is None:
            token = chances.index(max(chances))
        else:
            below, drawn = list(accumulate(chances)), self.uniforms.next()
            token = next(token for token, up_to in enumerate(below) if up_to > drawn)
        self.context.append(token)
        self.tokens.append(token)
        self.logprobs.append(math.log(chances[token]))
        self.writing = token != self.engine.stop and len(self.tokens) < self.limit


class TableEngine:
    """Sessions that a table decides: the output layer of a `models.markov` model. It knows no quota and no fork."""

    can: frozenset[Ability] = frozenset()

    def __init__(
        self,
        model: PreTrainedModel,
        *,
        stop: int,
        slots: int = 64,
        temperature: float = 1.0,
        dtype: torch.dtype | None = None,
        unit_starts: Tensor | None = None,
    ) -> None:
        self.stop = stop
        self.slots = slots
        self.temperature = temperature
        self.version = -1
        self.sessions: list[TableSession] = []
        self.update_weights(model.state_dict())

    @property
    def free(self) -> int:
        return self.slots - len(self.sessions)

    def open(self, *, seed: int | None = None, stream: int = 0) -> TableSession:
        assert self.free
        self.sessions.append(TableSession(self, None if seed is None else Uniforms(seed, stream)))
        return self.sessions[-1]

    def step(self) -> bool:
        writing = [session for session in self.sessions if session.writing]
        for session in writing:
            session.choose()
        return bool(writing)

    def update_weights(self, weights: Mapping[str, Tensor]) -> None:
        table = weights["lm_head.weight"]
        logits = table.double().t() * table.shape[1] ** 0.5 / self.temperature
        self.chances: list[list[float]] = logits.softmax(-1).tolist()
        self.sessions.clear()
        self.version += 1


def table_engine() -> MakesEngine:
    """What the catalog of engines is given by `module:name`."""
    return TableEngine
