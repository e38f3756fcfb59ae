"""A source sentence as an agent reads it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, chain


@dataclass(frozen=True)
class Source:
    """A source sentence, as it is read: a word at a time, and in the end the mark of its end.

    Attributes:
        words: the tokens of each word.
        end: the tokens that mark the end, x_η = `</s>`; to read them is a READ of no word.

    Raises:
        ValueError: no word, or nothing to be read in one of them.
    """

    words: tuple[tuple[int, ...], ...]
    end: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.words or not all(self.words) or not self.end:
            raise ValueError(f"a source needs a word, and tokens in every word and in its end mark, got {self}")

    @cached_property
    def tokens(self) -> tuple[int, ...]:
        """All tokens, the end mark's included."""
        return (*chain.from_iterable(self.words), *self.end)

    @cached_property
    def bounds(self) -> tuple[int, ...]:
        """Number of tokens that have been read after each READ."""
        return tuple(accumulate(len(piece) for piece in (*self.words, self.end)))
