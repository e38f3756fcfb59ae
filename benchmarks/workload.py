"""The streams that all contestants play: random source chunks, and how many tokens each turn writes."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from transformers import PreTrainedModel

from seqpo.policies.models import ModelConfig, new_model
from seqpo.types import Observation

STOP = 0
"""End-of-turn token of the benchmark's models; random weights never find it likeliest, for it also pads."""


@dataclass(frozen=True)
class Workload:
    """What is translated, and by what model: random weights and random words, for only their number costs time.

    How many tokens a turn writes is drawn beforehand, so that all contestants do the same work however they
    sample: from 1, a wait, to twice the mean less one.

    Attributes:
        sentences: number of streams.
        words: fewest and most words of a source sentence.
        chunk: words that are read at a time.
        tokens_per_word: mean number of tokens of a source word, between 1 and 2.
        written: mean number of tokens that a turn writes, its end mark included.
        model: shape of the model.
        vocabulary: number of tokens.
        seed: of the weights and of the streams.
    """

    sentences: int = 64
    words: tuple[int, int] = (16, 28)
    chunk: int = 3
    tokens_per_word: float = 1.4
    written: int = 5
    model: ModelConfig = field(default_factory=partial(ModelConfig, width=256, layers=4, ffn=768))
    vocabulary: int = 8000
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.sentences, self.words[0], self.chunk, self.written) < 1 or self.words[1] < self.words[0]:
            raise ValueError("a benchmark needs sentences, words, chunks and written tokens: one of each at least")
        if not 1 <= self.tokens_per_word <= 2:
            raise ValueError(f"tokens_per_word should lie between 1 and 2, got {self.tokens_per_word}")

    def new_model(self) -> PreTrainedModel:
        """Make the model, in float32."""
        model = new_model(self.model, self.vocabulary, STOP, self.seed)
        model.eval()
        return model

    def streams(self) -> list[Stream]:
        """Draw the streams."""
        draw = random.Random(self.seed)
        return [self._stream(draw, draw.randint(*self.words)) for _ in range(self.sentences)]

    def _stream(self, draw: random.Random, words: int) -> Stream:
        chunks = []
        for start in range(0, words, self.chunk):
            count = min(self.chunk, words - start)
            tokens = sum(1 + (draw.random() < self.tokens_per_word - 1) for _ in range(count))
            chunks.append(tuple(draw.randrange(1, self.vocabulary) for _ in range(tokens)))
        return Stream(tuple(chunks), tuple(draw.randint(1, 2 * self.written - 1) for _ in chunks))


@dataclass(frozen=True)
class Stream:
    """A source sentence as an environment of the engine.

    Attributes:
        chunks: source tokens of each turn.
        writes: number of tokens that each turn writes.
    """

    chunks: tuple[tuple[int, ...], ...]
    writes: tuple[int, ...]

    def observe(self, answers: Sequence[tuple[int, ...]]) -> Observation | None:
        """Return the next chunk, with the number of tokens to be written after it; None when all is over."""
        turn = len(answers)
        return None if turn == len(self.chunks) else Observation(self.chunks[turn], quota=self.writes[turn])


TINY = Workload(
    sentences=4,
    words=(6, 9),
    model=ModelConfig(width=32, layers=2, heads=2, kv_heads=2, ffn=64),
    vocabulary=60,
)
"""A workload of a moment, to see that everything works."""
