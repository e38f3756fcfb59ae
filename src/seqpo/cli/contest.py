"""What all that can be measured, or spoken to, has in common, whatever is behind it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from seqpo.evaluation.scores import Setting
from seqpo.tasks.translation.corpora import Pair
from seqpo.tasks.translation.traces import Trace
from seqpo.tasks.translation.units import Unit

Tell = Callable[[int], None]
"""Is told how many sentences are done."""

Translates = Callable[[Sequence[Pair], Tell], list[Trace]]
"""A system: translates sentences, and tells who read and wrote what."""


Attends = Callable[[Pair], tuple[Trace, NDArray[np.float32]]]
"""Translates a sentence, and tells what each target unit was attended to: `[target units, source units]`."""


@dataclass(frozen=True)
class Contestant:
    """A system to be measured.

    Attributes:
        name: in tables and figures.
        stage: of the run, whose weights it has; systems of a stage are measured one after the other.
        translate: the system.
        settings: what its signature says of it.
        rival: name of the system that it is tested against; empty for none.
        attend: tells its attention, where it has one to show.
    """

    name: str
    stage: str
    translate: Translates
    settings: dict[str, Setting] = field(default_factory=dict)
    rival: str = ""
    attend: Attends | None = None


class Interpreter(Protocol):
    """Translates one sentence while it is spoken."""

    def read(self, chunk: list[str]) -> str:
        """Read source units and return what is written after them, "" for a wait."""
        ...

    def finish(self) -> str:
        """Tell that the sentence is over, and return the rest of its translation."""
        ...


@dataclass(frozen=True)
class Booth:
    """A place to interpret in.

    Attributes:
        unit: what the source is counted in.
        chunk: source units that are heard at a time.
        begin: gives an interpreter for a new sentence.
    """

    unit: Unit
    chunk: int
    begin: Callable[[], Interpreter]
