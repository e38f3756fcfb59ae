"""Sources that arrive unit by unit, one line each, through the streams of a run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TextIO

from seqpo.runs.systems import Event, Stream, Streams


def interpret(streams: Streams, lines: TextIO, out: TextIO, *, trace: bool = False) -> None:
    """Write what a policy makes of sources as they arrive.

    Args:
        streams: of the policy.
        lines: where sources arrive, a line each.
        out: where it is written, a line for a source.
        trace: show READ and WRITE with the number of units read.
    """
    stream: Stream | None = None
    for unit in streams.arriving(lines):
        if unit is None and stream is None:
            print(file=out, flush=True)  # an empty line stays one
            continue
        stream = stream or streams.open()
        if unit is not None:
            stream.feed([unit])
        else:
            stream.end()
        while streams.step():
            _tell(streams, stream.events(), out, trace)
        _tell(streams, stream.events(), out, trace)
        if unit is None:
            stream.close()
            stream = None
            print(file=out, flush=True)


def _tell(streams: Streams, events: Iterable[Event], out: TextIO, trace: bool) -> None:
    for event in events:
        if not trace:
            print(event.text, end="", file=out, flush=True)
            continue
        print(f"READ  {streams.join(event.source) or '(end)'}", file=out, flush=True)
        if event.text.strip():
            print(f"WRITE {event.text.strip()}  @{event.reads}", file=out, flush=True)
