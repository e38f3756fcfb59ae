"""Live translation with a language model: many sources that arrive at once share every pass of an engine.

    streams = ModelStreams(engine, renderer, "interleaved", chunk=3, limit=32)
    stream = streams.open()
    stream.feed(["Der", "Hund"])        # whenever units arrive, from whichever client
    stream.end()
    while streams.step():               # one loop for all clients
        for event in stream.events():
            print(event.text, end="")

What a stream writes is what `play` makes of the same source: it depends neither on when units arrive, nor on what
other streams do.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator, Sequence
from typing import TextIO

from seqpo.runs.systems import Event
from seqpo.sessions import OpenSession, SessionEngine
from seqpo.tasks.translation.arriving import arriving
from seqpo.tasks.translation.dialogue import Layout, show
from seqpo.tasks.translation.renderer import Detokenizer, Renderer
from seqpo.tasks.translation.units import Unit, join


class LiveStream(ABC):
    """A source under way, whoever translates it: what has arrived and not been read, and what is to be told.

    Args:
        renderer: of source units and written tokens.
    """

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer
        self._arrived: deque[str] = deque()  # and not read yet
        self._reads = 0
        self._over = self._done = self._closed = False
        self._told: list[Event] = []
        self._detokenizer, self._begun = Detokenizer(renderer), False

    def feed(self, units: Sequence[str]) -> None:
        """Let source units arrive.

        Raises:
            RuntimeError: the source is over, or the stream is closed.
            ValueError: an empty unit.
        """
        self._check()
        if self._over:
            raise RuntimeError("this source is over: open another stream for what follows")
        if not all(units):
            raise ValueError(f"a source unit is not empty, got {list(units)}")
        self._arrived.extend(units)
        self._changed()

    def end(self) -> None:
        """Tell that the source is over; a source without any unit is done by that.

        Raises:
            RuntimeError: the stream is closed.
        """
        self._check()
        if self._over:
            return
        self._over = True
        if not self._reads and not self._arrived:
            self._finish()
        self._changed()

    def events(self) -> list[Event]:
        """Return the turns that have been finished since this was last asked."""
        told, self._told = self._told, []
        return told

    @property
    def done(self) -> bool:
        """Whether the source is over and all has been written; the place is free then."""
        return self._done

    def close(self) -> None:
        """Leave, at any time, and free the place; what is being written is lost."""
        if not self._closed and not self._done:
            self._leave()
        self._closed = True

    def _tell(self, source: tuple[str, ...], tokens: Sequence[int]) -> None:
        """Tell of a turn; words bring the space before them, which the first one doesn't need."""
        text = self._detokenizer.add([token for token in tokens if token != self._renderer.stop])
        text = text if self._begun else text.lstrip()
        self._begun = self._begun or bool(text)
        self._told.append(Event(source, text, self._reads))

    def _finish(self) -> None:
        self._done = True
        self._leave()

    def _check(self) -> None:
        """Raise unless the stream can go on."""
        if self._closed:
            raise RuntimeError("this stream is closed: open another one")

    def _changed(self) -> None:  # noqa: B027
        """Do what needs no step when something has arrived: by default nothing."""

    @abstractmethod
    def _leave(self) -> None:
        """Free the place."""


class SourceText:
    """What streams of sentences have in common: sources arrive as text, and are shown as text.

    Attributes:
        unit: what a source is counted in, "word" or "char".
    """

    unit: Unit

    def arriving(self, text: TextIO) -> Iterator[str | None]:
        """Yield the source units of a text as soon as they are complete, and None at the end of each line."""
        return arriving(text, self.unit)

    def join(self, units: Sequence[str]) -> str:
        """Write source units as text."""
        return join(units, self.unit)


class ModelStreams(SourceText):
    """Streams of one language model.

    Args:
        engine: runs the sessions; its slots are the places.
        renderer: of the model.
        layout: of the model.
        chunk: units that are read at a time; the last chunk has what is left.
        limit: most tokens of a turn.

    Raises:
        ValueError: a chunk or a limit below one.
    """

    def __init__(self, engine: SessionEngine, renderer: Renderer, layout: Layout, chunk: int, limit: int) -> None:
        if min(chunk, limit) < 1:
            raise ValueError(f"chunk and limit must be positive, got {chunk} and {limit}")
        self.unit = renderer.source_unit
        self.engine, self.renderer, self.layout, self.chunk, self.limit = engine, renderer, layout, chunk, limit
        self._under_way: list[_ModelStream] = []

    def open(self) -> _ModelStream:
        """Let a source begin.

        Raises:
            RuntimeError: the engine has no slot left.
        """
        stream = _ModelStream(self, self.engine.open())
        self._under_way.append(stream)
        return stream

    def step(self) -> bool:
        """Run one pass for all streams that have something to do; return whether there was any.

        Raises:
            RuntimeError: a stream is older than the engine's weights (close it), or longer than the model's positions.
        """
        for stream in self._under_way:
            stream.begin()
        writing = [stream for stream in self._under_way if stream.writing]
        if not writing:
            return False
        self.engine.step()
        for stream in writing:
            stream.collect()
        return True

    def forget(self, stream: _ModelStream) -> None:
        """Free the place of a stream; where its session has ended with the weights, there is none."""
        self._under_way.remove(stream)
        if stream.session.version == self.engine.version:
            stream.session.close()


class _ModelStream(LiveStream):
    """A source that a language model translates, chunk by chunk; its end is a turn of its own."""

    def __init__(self, streams: ModelStreams, session: OpenSession) -> None:
        super().__init__(streams.renderer)
        self.session = session
        self._streams = streams
        self._source: list[str] = []  # what has been read
        self._answers: list[tuple[int, ...]] = []
        self._turn: tuple[str, ...] | None = None  # the units of the turn that is being written

    @property
    def writing(self) -> bool:
        """Whether a turn is being written."""
        return self._turn is not None

    def begin(self) -> None:
        """Begin a turn if there is none under way, and enough has arrived for one."""
        self._check()
        chunk = self._streams.chunk
        if self.writing or not (self._over or len(self._arrived) >= chunk):
            return
        fresh = tuple(self._arrived.popleft() for _ in range(min(chunk, len(self._arrived))))
        self._source += fresh
        self._reads += len(fresh)
        shown = show(self._renderer, self._streams.layout, self._source, len(fresh), self._answers, over=not fresh)
        if shown.reset_context:
            self.session.rewind()
        self.session.read(shown.tokens)
        self.session.write(self._streams.limit)
        self._turn = fresh

    def collect(self) -> None:
        """Tell of the turn if it has been finished, and leave after the last one."""
        if self._turn is None or self.session.writing:
            return
        fresh, self._turn = self._turn, None
        self._answers.append(self.session.answer().tokens)
        self._tell(fresh, self._answers[-1])
        if not fresh:
            self._finish()

    def _check(self) -> None:
        super()._check()
        if not self._done and self.session.version != self._streams.engine.version:
            raise RuntimeError(
                f"this stream belongs to policy version {self.session.version}, the engine is at "
                f"{self._streams.engine.version}: close it"
            )

    def _leave(self) -> None:
        self._streams.forget(self)
