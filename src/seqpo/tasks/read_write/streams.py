"""Live translation with READ/WRITE: many sources that arrive at once share every step of a translator and a decider.

What a stream has heard, and the state it writes from, are kept. So a word costs the encoding of its own tokens and
the steps of what is written after it, wherever in the source it stands; only the attention grows.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from seqpo.tasks.read_write.deciders import WaitIfDiff, WaitIfWorse
from seqpo.tasks.read_write.decoding import Decider, Decoding, Written, decide
from seqpo.tasks.read_write.source_reader import Reading
from seqpo.tasks.read_write.translator.network import RecurrentTranslator
from seqpo.tasks.translation.renderer import Renderer
from seqpo.tasks.translation.streams import LiveStream, SourceText


class AgentStreams(SourceText):
    """Streams over one translator, with one decider for all.

    A stream writes what `decode` makes of the same source with the same decider. An event is a unit, and what was
    written between having read it and asking for the next one; the last event is the end of the source. What comes
    after the translation has ended, by the stop token or at its limit, is told as read, and nothing is written.

    Args:
        decoding: the translator and its limits; its slots are the places.
        renderer: of the translator's tokens.
        decider: such as `AskAgent` with the decoding's slots.

    Raises:
        ValueError: a decider that looks ahead.
    """

    def __init__(self, decoding: Decoding, renderer: Renderer, decider: Decider) -> None:
        if isinstance(decider, WaitIfWorse | WaitIfDiff):
            raise ValueError(
                f"{type(decider).__name__} looks at words before it reads them, and live ones have not arrived: "
                "take a decider that doesn't look ahead, such as an agent or wait-k"
            )
        self.unit = renderer.source_unit
        self.decoding, self.renderer, self.decider = decoding.placed(), renderer, decider
        self._under_way: dict[int, _AgentStream] = {}  # by their slots
        self._opened = 0
        slots, translator = decoding.slots, decoding.translator
        tokens = torch.zeros(slots, dtype=torch.long, device=translator.bias.device)
        state = translator.bias.detach().new_zeros(slots, translator.config.hidden)
        self._written = Written(state, tokens + translator.start, tokens, tokens.clone())

    def open(self) -> _AgentStream:
        """Let a source begin.

        Raises:
            RuntimeError: all slots are taken.
        """
        free = (slot for slot in range(self.decoding.slots) if slot not in self._under_way)
        if (slot := next(free, None)) is None:
            raise RuntimeError(
                f"all {self.decoding.slots} slots are taken: close a stream first, or ask for more slots"
            )
        stream = _AgentStream(self, slot, self._opened)
        self._under_way[slot] = stream
        self._opened += 1
        self._written.token[slot] = self.decoding.translator.start
        self._written.tokens[slot] = self._written.units[slot] = 0
        return stream

    @torch.no_grad()
    def step(self) -> bool:
        """Take one decision for all streams that have heard what they asked for; return whether there was any."""
        streams = list(self._under_way.values())
        self._hear([stream for stream in streams if stream.can_hear])
        deciding = [stream for stream in streams if not stream.asks and not stream.ended]
        if deciding:
            self._decide(deciding)
        return bool(deciding)

    def forget(self, slot: int) -> None:
        """Free a slot."""
        del self._under_way[slot]

    def _hear(self, streams: Sequence[_AgentStream]) -> None:
        """Let streams read on, and annotate what they read; those that begin and those that go on in a call each."""
        translator = self.decoding.translator
        for some in ([s for s in streams if not s.states_read], [s for s in streams if s.states_read]):
            if not some:
                continue
            after = (
                torch.stack([stream.annotations[stream.states_read - 1] for stream in some])
                if some[0].states_read
                else None
            )
            pieces = [stream.hear() for stream in some]
            tokens = pad_sequence([torch.tensor(piece) for piece in pieces], batch_first=True)
            annotations = translator.encode(tokens.to(translator.bias.device), after)
            keys = translator.keys(annotations)
            for row, (stream, piece) in enumerate(zip(some, pieces, strict=True)):
                stream.keep(annotations[row, : len(piece)], keys[row, : len(piece)])

    def _decide(self, streams: Sequence[_AgentStream]) -> None:
        """Take one decision for each of these streams."""
        reading = _LiveReading(self.decoding.translator, streams)
        slots = [stream.slot for stream in streams]
        written = self._written[slots]
        # until something has been written, the state is of what has been read
        if unwritten := [row for row, stream in enumerate(streams) if not stream.written]:
            written.state[unwritten] = reading.initial(unwritten, reading.states_read)
        decided = decide(self.decoding, reading, written, self.decider)
        self._written.put(slots, decided.written)
        told = torch.stack((decided.write, decided.proposal.candidate, decided.ended)).tolist()
        for stream, wrote, token, ended in zip(streams, *told, strict=True):
            if wrote:
                stream.write(token, bool(ended))
            else:
                stream.ask()


class _AgentStream(LiveStream):
    """A source that is translated by READ and WRITE.

    Attributes:
        slot: that it keeps.
        number: of the stream, in the order of opening.
        asks: whether it wants to read on.
        ended: whether its translation has come to an end, perhaps before the source.
        exhausted: whether the end mark has been read.
        written: number of tokens.
        states_read: number of annotations.
        annotations: `[S, H]`, the first `states_read` of them in use.
        keys: `[S, A]` of the annotations.
    """

    annotations: Tensor
    keys: Tensor

    def __init__(self, streams: AgentStreams, slot: int, number: int) -> None:
        super().__init__(streams.renderer)
        self.slot, self.number = slot, number
        self.asks, self.ended, self.exhausted = True, False, False
        self.written = self.states_read = 0
        self._streams = streams
        self._last: tuple[str, ...] = ()  # the unit that was read last
        self._answer: list[int] = []  # what was written since

    @property
    def words(self) -> int:
        """Units that have been read."""
        return self._reads

    @property
    def can_hear(self) -> bool:
        """Whether what it asks for has arrived."""
        return self.asks and (self._over or bool(self._arrived))

    def hear(self) -> tuple[int, ...]:
        """Read a unit, or that there is none left; return its tokens."""
        self.asks = False
        if not self._arrived:
            self._last, self.exhausted = (), True
            return self._renderer.source_end
        unit, before = (self._arrived.popleft(),), self._last
        self._last = unit
        self._reads += 1
        return self._renderer.source(unit, before)

    def keep(self, annotations: Tensor, keys: Tensor) -> None:
        """Keep the annotations `[n, H]` of what was heard, and their keys `[n, A]`."""
        if not self.states_read:
            self.annotations, self.keys = annotations, keys
        else:
            self.annotations = _put(self.annotations, self.states_read, annotations)
            self.keys = _put(self.keys, self.states_read, keys)
        self.states_read += len(annotations)

    def write(self, token: int, ended: bool) -> None:
        """Take a token that was written; whether it ended the translation."""
        self._answer.append(token)
        self.written += 1
        self.ended = ended
        if ended:
            self._tell_answer()
            self._changed()

    def ask(self) -> None:
        """Want to read on: what was written after the last unit is complete."""
        self.asks = True
        self._tell_answer()

    def _tell_answer(self) -> None:
        self._tell(self._last, self._answer)
        self._answer = []

    def _changed(self) -> None:
        """Pass over what arrives when the translation has ended."""
        if not self.ended or self._done:
            return
        while self._arrived:
            self._reads += 1
            self._tell((self._arrived.popleft(),), ())
        if self._over:
            if not self.exhausted:
                self._tell((), ())
            self._finish()

    def _leave(self) -> None:
        self._streams.forget(self.slot)


class _LiveReading(Reading):
    """What streams have heard, padded: nobody knows what comes after it."""

    def __init__(self, translator: RecurrentTranslator, streams: Sequence[_AgentStream]) -> None:
        told = [[s.slot, s.words + s.exhausted, s.words, s.states_read] for s in streams]
        self.translator = translator
        self.streams = [stream.number for stream in streams]
        self.slots, self.reads, self.words, self._states_read = torch.tensor(
            told, device=translator.bias.device
        ).unbind(1)
        self._annotations = _padded([stream.annotations[: stream.states_read] for stream in streams])
        self._keys = _padded([stream.keys[: stream.states_read] for stream in streams])

    @property
    def annotations(self) -> Tensor:
        """`[B, S, H]` of what has been heard."""
        return self._annotations

    @property
    def keys(self) -> Tensor:
        """`[B, S, A]` of the annotations."""
        return self._keys

    def after(self, reads: int) -> Tensor:
        """Return how many annotations there are: `[B]`.

        Raises:
            ValueError: a look ahead.
        """
        if reads:
            raise ValueError("a live source cannot be looked ahead in: take a decider that doesn't peek")
        return self._states_read


def _padded(rows: list[Tensor]) -> Tensor:
    """Put rows `[n, …]` of several lengths together; one alone is not copied."""
    return rows[0][None] if len(rows) == 1 else pad_sequence(rows, batch_first=True)


def _put(held: Tensor, length: int, new: Tensor) -> Tensor:
    """Put rows after the first `length` ones, in a table that doubles when it is full: so each is copied O(1) times."""
    if (end := length + len(new)) > len(held):
        held = torch.cat((held[:length], held.new_empty(max(length, len(new)), *held.shape[1:])))
    held[length:end] = new
    return held
