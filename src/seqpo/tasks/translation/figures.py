"""One sentence at a time: who read and wrote what, as a staircase over the attention, or system by system."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seqpo.evaluation.figures import drawing
from seqpo.tasks.translation.traces import Trace
from seqpo.tasks.translation.units import join

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_STAIRS, _SHADES = "#D55E00", "Greys"


def staircase(trace: Trace, path: str | Path, *, attention: NDArray[np.float32] | None = None) -> Figure:
    """Draw a translation as Gu et al. do (1610.00388, Fig. 1 and 7), as a PNG: a READ goes right, a WRITE goes down.

    Args:
        trace: source units from left to right, target units from top to bottom.
        path: of the PNG.
        attention: `[target units, source units]` share of each source unit when a target unit was written.

    Returns:
        The figure that was written.

    Raises:
        ValueError: nothing was written, or an attention of another shape.
    """
    written, read = len(trace.units), len(trace.source)
    if not written:
        raise ValueError("nothing was written, so there is no staircase to draw")
    if attention is not None and attention.shape != (written, read):
        raise ValueError(f"the attention has shape {attention.shape}, for {written} target and {read} source units")
    with drawing(path, (1.6 + 0.42 * read, 1.2 + 0.3 * written)) as figure:
        axes = figure.add_subplot()
        if attention is not None:
            edges = np.arange(read + 1), np.arange(written + 1)
            axes.pcolormesh(*edges, attention, cmap=_SHADES, vmin=0, vmax=1)
        axes.plot(*_stairs(trace), color=_STAIRS, linewidth=2)
        axes.set_xticks(np.arange(read) + 0.5, trace.source, rotation=50, ha="left", rotation_mode="anchor")
        axes.set_yticks(np.arange(written) + 0.5, trace.units)
        axes.set(xlim=(0, read), ylim=(written, 0))
        axes.xaxis.tick_top()
        axes.tick_params(length=0)
        axes.grid(False)
        return figure


def side_by_side(traces: Mapping[str, Trace], path: str | Path) -> Figure:
    """Draw what several systems made of one sentence (1610.00388, Fig. 8), as a PNG.

    What a system wrote after a source unit, and before the next one, stands under that unit.

    Args:
        traces: by the systems' names, all of one source.
        path: of the PNG.

    Raises:
        ValueError: no trace, or traces of different sources.
    """
    sources = {trace.source for trace in traces.values()}
    if len(sources) != 1:
        raise ValueError(f"systems side by side translate one sentence, here are {len(sources)}")
    (source,) = sources
    rows = {name: _by_delay(trace) for name, trace in traces.items()}
    widths = [
        max([len(unit), *(len(row.get(place + 1, "")) for row in rows.values())]) + 2
        for place, unit in enumerate(source)
    ]
    begins = np.cumsum([0, *widths])
    label = max(map(len, rows)) + 2
    with drawing(path, (0.085 * (label + begins[-1]) + 0.3, 0.34 * (len(rows) + 1) + 0.3)) as figure:
        axes = figure.add_subplot()
        axes.set(xlim=(-label, begins[-1]), ylim=(len(rows) + 0.7, -0.7))
        axes.axis("off")
        _say(axes, 0, "", dict(zip(range(1, len(source) + 1), source, strict=True)), begins, label, weight="bold")
        for number, (name, row) in enumerate(rows.items(), start=1):
            _say(axes, number, name, row, begins, label)
        return figure


def _stairs(trace: Trace) -> tuple[list[int], list[int]]:
    """The corners of the staircase: units read, and units written."""
    across, down = [0], [0]
    for number, delay in enumerate(trace.delays):
        across += [delay, delay]
        down += [number, number + 1]
    return across, down


def _by_delay(trace: Trace) -> dict[int, str]:
    """What was written, by the number of source units read; what was written before any, by the first."""
    pairs = [(max(delay, 1), unit) for delay, unit in zip(trace.delays, trace.units, strict=True)]
    return {delay: join([unit for _, unit in some], trace.unit) for delay, some in groupby(pairs, lambda pair: pair[0])}


def _say(
    axes: Axes,
    row: int,
    name: str,
    texts: Mapping[int, str],
    begins: NDArray[np.int64],
    label: int,
    weight: str = "normal",
) -> None:
    style: dict[str, Any] = {"family": "DejaVu Sans Mono", "fontsize": 9, "va": "center"}
    axes.text(-label + 0.5, row, name, color=_STAIRS, **style)
    for place, text in texts.items():
        axes.text(begins[place - 1], row, text, weight=weight, **style)
