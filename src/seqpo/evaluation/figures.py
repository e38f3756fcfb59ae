"""The quality–latency curve and the learning curves, as PNG files that are the same for the same numbers."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, pairwise
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seqpo.evaluation.families import family_of, follows_rules
from seqpo.evaluation.report import Report, replacing
from seqpo.evaluation.scores import METRICS, System

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LABELS = {
    "bleu": "BLEU (%)",
    "chrf": "chrF (%)",
    "al": "Average lagging, AL (source units)",
    "laal": "Length-adaptive average lagging, LAAL (source units)",
    "ap": "Average proportion, AP (share of the source read)",
    "dal": "Differentiable average lagging, DAL (source units)",
    "cw_mean": "Mean consecutive wait, CW (source units)",
    "cw_max": "Longest consecutive wait, CW (source units)",
    "al_std": "Spread of AL over sentences (source units)",
    "verb_wait": "Wait before clause-final verbs (source units)",
    "other_wait": "Wait before other words (source units)",
}

# Okabe and Ito's palette, which colour-blind readers can tell apart; every family also has a marker of its own.
_SEQPO, _SFT, _FIXED, _OFFLINE = "#D55E00", "#0072B2", "#6E6E6E", "#2B2B2B"
_KNOWN = {"wait-k": (_FIXED, "o"), "sft": (_SFT, "s"), "seqpo": (_SEQPO, "D")}
_OTHERS = (("#009E73", "^"), ("#CC79A7", "v"), ("#E69F00", "P"), ("#56B4E9", "X"), ("#000000", "h"), ("#B8A200", "*"))
_STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.labelsize": 10.5,
    "axes.labelcolor": "#2B2B2B",
    "axes.edgecolor": "#9A9A9A",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E9E9E9",
    "grid.linewidth": 0.8,
    "xtick.color": "#6E6E6E",
    "ytick.color": "#6E6E6E",
    "xtick.labelcolor": "#2B2B2B",
    "ytick.labelcolor": "#2B2B2B",
    "legend.frameon": False,
    "text.parse_math": False,  # a dollar sign in a system's name is a dollar sign
}
# Where a label may stand around its point, best first: (dx, dy) in points, and the alignment that goes with it.
_PLACES = (
    (-6, 5, "right", "bottom"),
    (6, -5, "left", "top"),
    (6, 5, "left", "bottom"),
    (-6, -5, "right", "top"),
    (0, 24, "center", "bottom"),
    (0, -24, "center", "top"),
)


@dataclass(frozen=True, slots=True)
class _Family:
    """Systems of one kind, drawn as one line of markers, ordered by latency."""

    name: str
    colour: str
    marker: str
    systems: tuple[System, ...]


def quality_latency(
    reports: Sequence[Report], path: str | Path, *, quality: str = "bleu", latency: str = "al"
) -> "Figure":
    """Draw the quality–latency curve of all systems in the reports, with their 95 % intervals, as a PNG.

    Systems are told apart by their names: `wait-1`, `wait-3` … join as the wait-k curve, `offline` is a
    horizontal line (it has no latency worth comparing), names that begin with `sft` or `seqpo` join as one
    line each, and every other name, without its last number, is a family of its own.

    Returns:
        The figure that was written.

    Raises:
        ValueError: if there is no system to draw, or a score is not one of `METRICS`.
    """
    from matplotlib.ticker import MaxNLocator

    for metric in (quality, latency):
        if metric not in METRICS:
            raise ValueError(f"unknown score {metric!r}: choose one of {', '.join(METRICS)}")
    systems = [system for report in reports for system in report.systems]
    if not systems:
        raise ValueError("no system to draw: give at least one report with a system")
    with drawing(path, (7.2, 4.6)) as figure:
        axes = figure.add_subplot()
        families = _families(systems)
        for family in families:
            _draw_family(axes, family, quality, latency)
        axes.set_xlabel(f"{LABELS[latency]}   ← sooner")
        axes.set_ylabel(f"{LABELS[quality]}   better →")
        axes.margins(x=0.1, y=0.12)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=8, steps=[1, 2, 5, 10]))
        for system in systems:
            if family_of(system.name) == "offline":
                _draw_offline(axes, system, quality)
        if not families:
            axes.set_xticks([])
        _label_points(axes, families, quality, latency)
    return figure


def learning_curves(metrics: Sequence[Mapping[str, object]], path: str | Path) -> "Figure":
    """Draw what a training run measured against its step, as a PNG.

    Every `dev/…` key has a panel of its own; where nothing was measured on a development set, every `rollout/…` key
    has. Rows may lack keys, and values that are not finite numbers are left out.

    Args:
        metrics: rows of `metrics.jsonl`, each with the key "step".
        path: the file to write.

    Returns:
        The figure that was written.

    Raises:
        ValueError: if a row has no step, or no row has a `dev/…` or `rollout/…` number.
    """
    for number, row in enumerate(metrics, start=1):
        if not isinstance(row.get("step"), int):
            raise ValueError(f'row {number} of the metrics has no whole number under the key "step"')
    panels = _panels(metrics)
    if not panels:
        raise ValueError("nothing to draw: no row has a number under a key dev/… or rollout/…")
    columns = 2 if len(panels) in (2, 4) else min(len(panels), 3)
    lines = -(-len(panels) // columns)
    with drawing(path, (4.4 * columns, 2.9 * lines)) as figure:
        for place, (title, key) in enumerate(panels.items(), start=1):
            _draw_panel(figure.add_subplot(lines, columns, place), title, key, metrics)
    return figure


@contextmanager
def drawing(path: str | Path, size: tuple[float, float]) -> "Iterator[Figure]":
    """A figure outside pyplot's registry, so nothing stays open, written as PNG when the block ends."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with rc_context(_STYLE):
        figure = Figure(figsize=size, dpi=180, layout="constrained")
        FigureCanvasAgg(figure)
        yield figure
        with replacing(path) as draft:
            # Without matplotlib's version in the file, equal numbers give equal bytes.
            figure.savefig(draft, format="png", metadata={"Software": None})


def _families(systems: Sequence[System]) -> list[_Family]:
    """The families with a latency: the fixed curve first, then policies, then other baselines.

    A family with a beam looks like the one without it, but hollow.
    """
    names = dict.fromkeys(family_of(system.name) for system in systems)
    ranks = {name: (name != "wait-k", follows_rules(name)) for name in names if name != "offline"}
    plain = dict.fromkeys(name.removesuffix("-beam") for name in ranks)
    free = cycle([*(style for known, style in _KNOWN.items() if known not in plain and known != "wait-k"), *_OTHERS])
    styles = {name: _KNOWN.get(name) or next(free) for name in sorted(plain, key=follows_rules)}
    families = []
    for name in sorted(ranks, key=ranks.__getitem__):
        members = tuple(system for system in systems if family_of(system.name) == name)
        families.append(_Family(name, *styles[name.removesuffix("-beam")], members))
    return families


def _draw_family(axes: "Axes", family: _Family, quality: str, latency: str) -> None:
    systems = sorted(family.systems, key=lambda system: float(getattr(system, latency)))
    fixed, beam = family.name == "wait-k", family.name.endswith("-beam")
    axes.errorbar(
        [getattr(system, latency) for system in systems],
        [getattr(system, quality) for system in systems],
        xerr=_errors(systems, latency),
        yerr=_errors(systems, quality),
        label=family.name,
        color=family.colour,
        marker=family.marker,
        markersize=5 if fixed else 7.5,
        markerfacecolor="white" if beam else family.colour,
        markeredgecolor=family.colour if beam else "white",
        markeredgewidth=1.4 if beam else 0.8,
        linestyle=(0, (4, 2)) if beam else "-",
        linewidth=1.6,
        elinewidth=0.9,
        zorder=3 if fixed else 4,
    )


def _errors(systems: Sequence[System], metric: str) -> list[list[float]]:
    """How far the intervals reach below and above the scores; 0 where there is none."""
    values = [float(getattr(system, metric)) for system in systems]
    bounds = [system.interval.get(metric, (value, value)) for system, value in zip(systems, values, strict=True)]
    below = [max(0.0, value - low) for value, (low, _) in zip(values, bounds, strict=True)]
    above = [max(0.0, high - value) for value, (_, high) in zip(values, bounds, strict=True)]
    return [below, above]


def _draw_offline(axes: "Axes", system: System, quality: str) -> None:
    value = float(getattr(system, quality))
    low, high = system.interval.get(quality, (value, value))
    axes.axhspan(low, high, color=_OFFLINE, alpha=0.06, linewidth=0, zorder=1)
    axes.axhline(value, color=_OFFLINE, linestyle=(0, (5, 3)), linewidth=1.2, label=system.name, zorder=2)
    axes.annotate(
        f"{system.name} {value:.1f}",
        (0, value),
        xycoords=("axes fraction", "data"),
        xytext=(4, 3),
        textcoords="offset points",
        color=_OFFLINE,
        fontsize=9,
    )


def _label_points(axes: "Axes", families: Sequence[_Family], quality: str, latency: str) -> None:
    """Name every point, each label at the place where it covers least of the lines, bars and earlier labels."""
    from matplotlib.patheffects import withStroke

    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()  # settles the layout, on which the labels' extents depend
    ink = _ink(axes, figure.dpi / 12)
    labels = [text.get_window_extent() for text in axes.texts]
    for family in families:
        # of one more curve, with borrowed weights or a beam, its name once, at its end, is enough
        again = "@" in family.name or family.name.endswith("-beam")
        named = [(family.name, family.systems[-1])] if again else [(s.name, s) for s in family.systems]
        for name, system in named:
            label = axes.annotate(
                name,
                (getattr(system, latency), getattr(system, quality)),
                (0, 0),
                textcoords="offset points",
                color=family.colour,
                fontsize=9,
                fontweight="bold" if family.name in ("sft", "seqpo") else "normal",
                path_effects=[withStroke(linewidth=2.5, foreground="white")],
                zorder=5,
            )
            extents = []
            for dx, dy, horizontal, vertical in _PLACES:
                label.set(position=(dx, dy), horizontalalignment=horizontal, verticalalignment=vertical)
                extents.append(label.get_window_extent())
            covered = [box.count_contains(ink) + 100 * box.count_overlaps(labels) for box in extents]
            best = covered.index(min(covered))
            dx, dy, horizontal, vertical = _PLACES[best]
            label.set(position=(dx, dy), horizontalalignment=horizontal, verticalalignment=vertical)
            labels.append(extents[best])


def _ink(axes: "Axes", spacing: float) -> NDArray[np.float64]:
    """Pixels [n, 2] along all lines and error bars, about `spacing` apart."""
    bars = [(bar.get_transform(), path) for bar in axes.collections for path in bar.get_paths()]
    lines = [(line.get_transform(), line.get_path()) for line in axes.lines]
    pixels = []
    for transform, path in (*bars, *lines):
        corners = transform.transform(path.vertices)
        pixels.append(corners)
        for start, end in pairwise(corners):
            steps = int(np.hypot(*(end - start)) / spacing) + 1
            pixels.append(start + (end - start) * np.linspace(0, 1, steps)[:, None])
    return np.concatenate(pixels) if pixels else np.empty((0, 2))


def _panels(metrics: Sequence[Mapping[str, object]]) -> dict[str, str]:
    """The key of each panel by its title, in the order in which they first appear."""
    keys = dict.fromkeys(key for row in metrics for key, value in row.items() if _number(value) is not None)
    drawn = [key for key in keys if key.startswith("dev/")] or [key for key in keys if key.startswith("rollout/")]
    return {LABELS.get(name := key.partition("/")[2], name): key for key in drawn}


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and isfinite(value) else None


def _draw_panel(axes: "Axes", title: str, key: str, metrics: Sequence[Mapping[str, object]]) -> None:
    from matplotlib.ticker import MaxNLocator

    points = [(row["step"], value) for row in metrics if (value := _number(row.get(key))) is not None]
    steps, values = zip(*points, strict=True)
    marker = "o" if len(points) <= 40 else None
    axes.plot(steps, values, color=_SEQPO, linewidth=1.6, marker=marker, markersize=3.5)
    axes.set_title(title, loc="left", fontsize=10)
    axes.set_xlabel("step")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
