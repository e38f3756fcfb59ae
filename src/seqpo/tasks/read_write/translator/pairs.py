"""Whole sentence pairs as demonstrations, for a translator that is no policy of its own yet."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from seqpo.tasks.translation.corpora import Pair
from seqpo.tasks.translation.epochs import sentences_of
from seqpo.tasks.translation.renderer import Renderer
from seqpo.tasks.translation.units import split
from seqpo.types import Episode, Observation, Turn


@dataclass(frozen=True)
class PairTask:
    """Sentence pairs in one turn each: the source and its end mark are observed, the translation and a stop answer.

    Attributes:
        pairs: the sentences.
        renderer: how they become tokens.
        prefixes: share of demonstrations that are cut short: the beginning of the source, and as large a part of
            the translation, without end marks. Gu et al. (2016) train on whole sentences and name this as future
            work; a translator that has seen beginnings is less surprised by them.
        seed: of the order of sentences, and of the cuts.

    Raises:
        ValueError: no pairs, or a share that is none.
    """

    pairs: Sequence[Pair]
    renderer: Renderer
    prefixes: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.pairs:
            raise ValueError("a translation task needs sentences")
        if not 0 <= self.prefixes <= 1:
            raise ValueError(f"prefixes is a share of the demonstrations, in [0, 1], got {self.prefixes}")

    def demonstrations(self, count: int, *, step: int) -> list[Episode]:
        """Return the episodes of a step: each epoch is a permutation of the pairs, cut into steps."""
        rng = random.Random(f"{self.seed} pairs {step}")
        numbers = sentences_of(step, count, len(self.pairs), self.seed)
        return [self._demonstrate(self.pairs[number], rng) for number in numbers]

    def _demonstrate(self, pair: Pair, rng: random.Random) -> Episode:
        source = split(pair.source, self.renderer.source_unit)
        target = split(pair.target, self.renderer.target_unit)
        if rng.random() < self.prefixes and len(source) > 1:
            read = rng.randrange(1, len(source))
            written = max(1, round(read / len(source) * len(target)))
            tokens = tuple(chain.from_iterable(source_words(self.renderer, source[:read])))
            return _episode(tokens, self.renderer.target(target[:written]))
        return _episode(whole_source(self.renderer, pair.source), (*self.renderer.target(target), self.renderer.stop))


def whole_source(renderer: Renderer, text: str) -> tuple[int, ...]:
    """Encode a source sentence: the pieces of its units, and the mark of its end."""
    return (*chain.from_iterable(source_words(renderer, split(text, renderer.source_unit))), *renderer.source_end)


def source_words(renderer: Renderer, units: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """Encode source units one by one, as they are read: no piece spans two of them."""
    return tuple(renderer.source(units[place : place + 1], units[:place]) for place in range(len(units)))


def fitting(pairs: Sequence[Pair], renderer: Renderer, most: int) -> tuple[Pair, ...]:
    """Return the pairs neither of whose sides has more than `most` pieces, marks not counted."""
    return tuple(
        pair
        for pair in pairs
        if len(whole_source(renderer, pair.source)) - len(renderer.source_end) <= most
        and len(renderer.target(split(pair.target, renderer.target_unit))) <= most
    )


def _episode(source: tuple[int, ...], target: tuple[int, ...]) -> Episode:
    return Episode(0, (Turn(Observation(source), target, (0.0,) * len(target)),))
