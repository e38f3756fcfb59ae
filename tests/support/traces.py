"""Translations that nobody made: invented words, written as wait-k would."""

from __future__ import annotations

import random
from collections.abc import Sequence

from seqpo.tasks.translation.corpora import Pair
from seqpo.tasks.translation.metrics import TestSentences
from seqpo.tasks.translation.traces import Trace

WORDS = ["the", "cat", "dog", "sees", "a", "small", "old", "tree", "and", "runs", "over", "to", "my", "friend"]


def wait_k(k: int, text: str, length: int) -> Trace:
    """Read k source words, then write a word and read one in turn; what is left at the end comes at once."""
    turns: list[tuple[int, str]] = []
    read = 0
    for i, word in enumerate(text.split()):
        now = min(k + i, length)
        turns.append((now - read, f" {word}"))
        read = now
    return Trace(tuple(f"x{i}" for i in range(length)), tuple(turns), "word")


def corpus(count: int, noise: float, seed: int = 0) -> tuple[list[str], list[str]]:
    """Invented references of 8 words, and hypotheses in which each word is wrong with probability `noise`."""
    rng = random.Random(seed)
    references = [rng.choices(WORDS, k=8) for _ in range(count)]
    hypotheses = [[rng.choice(WORDS) if rng.random() < noise else word for word in words] for words in references]
    return [" ".join(words) for words in hypotheses], [" ".join(words) for words in references]


def sentences(references: Sequence[str], language: str = "en") -> TestSentences:
    """A test set of these references."""
    return TestSentences([Pair("x", reference) for reference in references], "invented", language=language)
