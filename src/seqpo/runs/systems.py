"""Who is measured: systems; and who can be used while a source arrives: streams."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TextIO

from seqpo.evaluation.statistics import Setting

Progress = Callable[[int], None]
"""Is told how many examples are done."""

Play = Callable[[Sequence[Any], Progress], Sequence[Any]]
"""Examples to their outcomes, one for each; what these are is the kind's business."""


@dataclass(frozen=True)
class System:
    """A system to be measured.

    Attributes:
        name: in tables and figures.
        stage: of the run, whose weights it has; systems of a stage are measured one after the other.
        play: what it makes of examples.
        family: systems of one family are one curve.
        is_baseline: whether it is something that policies are compared with.
        variant_of: family that this one is a variant of, such as the same agents with a beam.
        baseline: name of the system that it is tested against; empty for none.
        settings: what its signature says of it.
    """

    name: str
    stage: str
    play: Play
    family: str
    is_baseline: bool = False
    variant_of: str = ""
    baseline: str = ""
    settings: dict[str, Setting] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Event:
    """A turn of a stream: what it read, and what it wrote after that.

    Attributes:
        source: units that were read; none where the end of the source was.
        text: what was written, "" for a wait; texts of a stream are put together as they are.
        reads: units that have been read by then, in all.
    """

    source: tuple[str, ...]
    text: str
    reads: int


class Stream(Protocol):
    """A source under way. It never steps the engine; `Streams.step` does, for all."""

    def feed(self, units: Sequence[str]) -> None:
        """Let source units arrive."""
        ...

    def end(self) -> None:
        """Tell that the source is over."""
        ...

    def events(self) -> list[Event]:
        """Return the turns that have been finished since this was last asked."""
        ...

    @property
    def done(self) -> bool:
        """Whether the source is over and all has been written."""
        ...

    def close(self) -> None:
        """Leave, at any time, and free the place."""
        ...


class Streams(Protocol):
    """Streams that share an engine."""

    def arriving(self, text: TextIO) -> Iterator[str | None]:
        """Yield the source units of a text as soon as they are complete, and None at the end of each line."""
        ...

    def join(self, units: Sequence[str]) -> str:
        """Write source units as text."""
        ...

    def open(self) -> Stream:
        """Let a source begin.

        Raises:
            RuntimeError: there is no place left.
        """
        ...

    def step(self) -> bool:
        """Run one pass for all streams that have something to do; return whether there was any."""
        ...
