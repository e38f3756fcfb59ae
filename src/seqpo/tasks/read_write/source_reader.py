"""What is read in simultaneous translation: sources word by word, of many streams at once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from itertools import groupby

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from seqpo.tasks.read_write.source import Source
from seqpo.tasks.read_write.translator.network import RecurrentTranslator


class Reading(ABC):
    """What streams have read, as deciders see it: B rows, one per stream.

    Attributes:
        translator: annotates.
        streams: the number of each row's stream; a new list whenever it changes.
        slots: `[B]` for each row a number that its stream keeps.
        reads: `[B]` READs of each row, the first word's and the end mark's included.
        words: `[B]` words of each source, so far as they are known.
    """

    translator: RecurrentTranslator
    streams: list[int]
    slots: Tensor
    reads: Tensor
    words: Tensor

    @property
    @abstractmethod
    def annotations(self) -> Tensor:
        """`[B, S, H]` of each row's source; how many have been read is `states_read`."""

    @property
    @abstractmethod
    def keys(self) -> Tensor:
        """`[B, S, A]` of the annotations."""

    @abstractmethod
    def after(self, reads: int) -> Tensor:
        """Return how many annotations there are after so many more READs, or all: `[B]`.

        Raises:
            ValueError: what would be read has not arrived.
        """

    @property
    def states_read(self) -> Tensor:
        """`[B]` annotations that have been read."""
        return self.after(0)

    @property
    def words_read(self) -> Tensor:
        """`[B]` words that have been read."""
        return torch.minimum(self.reads, self.words)

    @property
    def exhausted(self) -> Tensor:
        """`[B]` whether the end mark has been read, so that there is nothing more."""
        return self.reads > self.words

    def initial(self, rows: Sequence[int] | Tensor, states_read: Tensor) -> Tensor:
        """Return z_0 of some rows, had these numbers `[B]` of annotations been read: `[rows, H]`."""
        return self.translator.initial(self.annotations[rows], states_read[rows])


class SourceReader(Reading):
    """What the streams under way have read of sources that are known: a row per stream.

    Different sources are annotated once, a block of them at a time. A stream that begins takes over the row of one
    that has ended, so annotations are moved only when no stream waits any longer. Streams begin with the longest
    source, which keeps the padding small and the last ones short.

    Args:
        translator: annotates.
        sources: of each stream, at least one.
        rows: most streams at a time; slots are numbers below it.
    """

    def __init__(self, translator: RecurrentTranslator, sources: Sequence[Source], rows: int) -> None:
        device = translator.bias.device
        self.translator, self._block_size, self._block = translator, rows, -1
        self._sources = sorted(dict.fromkeys(sources), key=lambda source: -len(source.tokens))
        places = {source: place for place, source in enumerate(self._sources)}
        self._place = [places[source] for source in sources]
        self._waiting = sorted(range(len(sources)), key=lambda stream: self._place[stream], reverse=True)
        rows = min(rows, len(sources))
        self.streams = [-1] * rows
        self.slots = torch.arange(rows, device=device)
        self.reads, self.words = torch.ones_like(self.slots), torch.ones_like(self.slots)
        self._encode(0)
        first, keys = self._encoded
        self._annotations = first.new_zeros(rows, *first.shape[1:])
        self._keys = keys.new_zeros(rows, *keys.shape[1:])
        self._bounds = self.slots.new_zeros(rows, max(len(source.bounds) for source in self._sources))

    @property
    def annotations(self) -> Tensor:
        """`[B, S, H]` of each row's whole source; how many have been read is `states_read`."""
        return self._annotations[:, : self._width]

    @property
    def keys(self) -> Tensor:
        """`[B, S, A]` of the annotations."""
        return self._keys[:, : self._width]

    def after(self, reads: int) -> Tensor:
        """Return how many annotations there are after so many more READs, or all: `[B]`."""
        last = (self.reads - 1 + reads).clamp(max=self._bounds.shape[1] - 1)
        return self._bounds.gather(1, last[:, None]).squeeze(1)

    def read(self, rows: Tensor) -> None:
        """Read on in the rows `[B]` that are true; they must not be exhausted."""
        self.reads = self.reads + rows

    def begin(self, rows: Sequence[int]) -> list[int]:
        """Let streams that wait begin in rows whose streams have ended; return the rows that found one."""
        begun = list(rows)[: len(self._waiting)]
        streams = list(self.streams)
        for row in begun:
            streams[row] = self._waiting.pop()
        self.streams = streams
        for block, some in groupby(begun, key=lambda row: self._place[streams[row]] // self._block_size):
            self._load(block, list(some))
        self._measure()
        return begun

    def keep(self, rows: Sequence[int]) -> None:
        """Drop all other rows."""
        self.streams = [self.streams[row] for row in rows]
        self.slots, self.reads, self.words = self.slots[rows], self.reads[rows], self.words[rows]
        self._annotations, self._keys, self._bounds = self._annotations[rows], self._keys[rows], self._bounds[rows]
        self._measure()

    def _measure(self) -> None:
        self._width = max((len(self._source(row).tokens) for row in range(len(self.streams))), default=0)

    def _source(self, row: int) -> Source:
        return self._sources[self._place[self.streams[row]]]

    def _load(self, block: int, rows: list[int]) -> None:
        """Fill rows from one block of annotated sources."""
        if block != self._block:
            self._encode(block)
        for memory, encoded in zip((self._annotations, self._keys), self._encoded, strict=True):
            inside = [self._place[self.streams[row]] % self._block_size for row in rows]
            memory[rows, : encoded.shape[1]] = encoded[inside]
        sources = [self._source(row) for row in rows]
        width = self._bounds.shape[1]
        bounds = [source.bounds + source.bounds[-1:] * (width - len(source.bounds)) for source in sources]
        self._bounds[rows] = self._bounds.new_tensor(bounds)
        self.words[rows] = self.words.new_tensor([len(source.words) for source in sources])
        self.reads = self.reads.index_fill(0, self.reads.new_tensor(rows), 1)

    def _encode(self, block: int) -> None:
        some = self._sources[block * self._block_size :][: self._block_size]
        annotations = self.translator.encode(_padded(source.tokens for source in some).to(self.slots.device))
        self._block, self._encoded = block, (annotations, self.translator.keys(annotations))


def _padded(rows: Iterable[tuple[int, ...]]) -> Tensor:
    return pad_sequence([torch.tensor(row) for row in rows], batch_first=True)
