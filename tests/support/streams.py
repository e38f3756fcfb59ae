"""Clients of live streams: in any order, and what they were told as a trace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from seqpo.runs.systems import Event, Stream, Streams
from seqpo.tasks.translation.traces import Trace


def drain(streams: Streams, stream: Stream) -> list[Event]:
    """Step until nothing is left to do; what this stream told meanwhile."""
    while streams.step():
        pass
    return stream.events()


def live_trace(source: Sequence[str], events: Sequence[Event]) -> Trace:
    """The events of a whole source as a trace; what was written at the end belongs to the last turn."""
    *turns, last, end = [(len(event.source), event.text) for event in events]
    assert [unit for event in events for unit in event.source] == list(source)
    assert end[0] == 0
    assert not "".join(event.text for event in events).startswith(" ")
    return Trace(tuple(source), (*turns, (last[0], last[1] + end[1])), "word")


@dataclass(frozen=True)
class Plan:
    """Sources of these lengths, and who moves next: (number, units to feed), or None for a step."""

    lengths: list[int]
    moves: list[tuple[int, int] | None]


@st.composite
def interleavings(draw: st.DrawFn, most: int) -> Plan:
    lengths = draw(st.lists(st.integers(0, most), min_size=1, max_size=4))
    feeds = st.tuples(st.integers(0, len(lengths) - 1), st.integers(0, 3))
    return Plan(lengths, draw(st.lists(st.none() | feeds, max_size=40)))


def interleaved(
    streams: Streams, sources: Sequence[Sequence[str]], moves: Sequence[tuple[int, int] | None]
) -> list[list[Event]]:
    """Let clients move in this order: each opens its stream when it first moves, and ends when nothing is left to feed.

    In the end they feed what is missing. Returns what each was told.
    """
    under_way: dict[int, Stream] = {}
    left, told = [list(source) for source in sources], [list[Event]() for _ in sources]
    rest = [(number, len(source)) for number, source in enumerate(sources)]
    for move in (*moves, *rest, *rest):
        if move is None:
            streams.step()
            continue
        number, count = move
        if number not in under_way:
            under_way[number] = streams.open()
        if left[number]:
            under_way[number].feed(left[number][:count])
            del left[number][:count]
        elif not under_way[number].done:
            under_way[number].end()
        told[number] += under_way[number].events()
    while streams.step():
        pass
    for number, stream in under_way.items():
        told[number] += stream.events()
        assert stream.done
    return told
