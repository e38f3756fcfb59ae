"""The record of one simultaneous translation: what was read and what was written, turn by turn."""

from dataclasses import dataclass
from itertools import accumulate, pairwise

from seqpo.tasks.translation.units import Unit, split

Turn = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Trace:
    """Who read and wrote what, in order.

    `source` holds the source units. Every turn is (number of source units read, text written after them);
    a turn without text is a wait. The texts are pieces of one string: they bring their own spaces, and a word
    may begin in one turn and end in a later one. `unit` is how the written text is counted.

    Raises:
        ValueError: for a negative number of reads, more reads than there is source, or an unknown unit.
    """

    source: tuple[str, ...]
    turns: tuple[Turn, ...]
    unit: Unit

    def __post_init__(self) -> None:
        split("", self.unit)
        reads = [count for count, _ in self.turns]
        if any(count < 0 for count in reads):
            raise ValueError(f"a turn cannot read a negative number of source units: {reads}")
        if sum(reads) > len(self.source):
            raise ValueError(f"the turns read {sum(reads)} source units, but the source has {len(self.source)}")

    @property
    def text(self) -> str:
        """Everything written, without space at the ends."""
        return "".join(piece for _, piece in self.turns).strip()

    @property
    def units(self) -> tuple[str, ...]:
        """The target units of the text."""
        return tuple(split(self.text, self.unit))

    @property
    def delays(self) -> tuple[int, ...]:
        """For every target unit the source units read when its last character was written; in order."""
        written = "".join(piece for _, piece in self.turns)
        ends = list(accumulate(len(piece) for _, piece in self.turns))
        read = list(accumulate(count for count, _ in self.turns))
        delays: list[int] = []
        turn = position = 0
        for unit in split(written, self.unit):
            position = written.index(unit, position) + len(unit)
            while ends[turn] < position:
                turn += 1
            delays.append(read[turn])
        return tuple(delays)

    def merged(self) -> "Trace":
        """Give what was written after a turn that read nothing to the turn before: the trace as a listener knows it.

        Where tasks record one turn for each choice, the end of the source, or a single decision, is a turn of its own.
        """
        turns: list[Turn] = []
        for count, piece in self.turns:
            if count or not turns:
                turns.append((count, piece))
            else:
                turns[-1] = turns[-1][0], turns[-1][1] + piece
        return Trace(self.source, tuple(turns), self.unit)

    @property
    def waits(self) -> int:
        """The number of turns in which nothing was written."""
        return sum(not piece.strip() for _, piece in self.turns)

    @property
    def read_runs(self) -> tuple[int, ...]:
        """Source units read at a stretch between written units; reads after the last one count too."""
        read = sum(count for count, _ in self.turns)
        return tuple(after - before for before, after in pairwise((0, *self.delays, read)) if after > before)


def format_trace(trace: Trace) -> str:
    """Show a trace on one line; `@n` tells how many source units had been read when the text was written.

    `READ Ich weiß, │ WRITE I know @2 │ READ dass er │ (wait) │ READ kommt. │ WRITE that he comes. @5`
    """
    steps: list[str] = []
    read = 0
    for count, piece in trace.turns:
        if count:
            steps.append("READ " + " ".join(trace.source[read : read + count]))
            read += count
        steps.append(f"WRITE {piece.strip()} @{read}" if piece.strip() else "(wait)")
    return " │ ".join(steps)


def to_instance(trace: Trace, index: int, reference: str) -> dict[str, object]:
    """Give a trace as a row of SimulEval's `instances.log`.

    `elapsed` repeats the delays: text has no clock, so computation-aware and -unaware latency agree.
    """
    delays = list(trace.delays)
    return {
        "index": index,
        "prediction": trace.text,
        "delays": delays,
        "elapsed": delays,
        "prediction_length": len(delays),
        "reference": reference,
        "source": " ".join(trace.source),
        "source_length": len(trace.source),
    }
