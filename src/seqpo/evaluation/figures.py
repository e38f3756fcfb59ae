"""The trade-off of quality and cost, and learning curves, as PNG files that are the same for the same numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from seqpo.evaluation.curves import first_axis
from seqpo.evaluation.report import Report, columns_of, replacing
from seqpo.evaluation.statistics import Column, Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette, which colour-blind readers can tell apart, is for policies; baselines are muted. The numbers
# of colours and markers have no common divisor, so that no two of the first few dozens look the same.
_POLICIES = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_BASELINES = ("#5C5C5C", "#8C7B6B", "#6F8494", "#A9A9A9", "#8A9A74")
_POLICY_MARKERS = ("D", "s", "^", "v", "P", "X", "*")
_BASELINE_MARKERS = ("o", "s", "^", "v", "d", "p")
_DASHES: Any = ((0, (4, 2)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)))
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


@dataclass(frozen=True, slots=True)
class _Family:
    """Systems of one kind, drawn as one line of markers, ordered by cost."""

    name: str
    colour: str
    marker: str
    line: Any
    hollow: bool
    systems: tuple[Result, ...]

    @property
    def is_baseline(self) -> bool:
        return self.systems[0].is_baseline


def tradeoff(reports: Sequence[Report], path: str | Path, *, quality: str = "", cost: str = "") -> Figure:
    """Draw the quality of all systems in the reports over their cost, with their 95 % intervals, as a PNG.

    Systems of a family are one line. Families that are variants look like the family that they vary, but hollow and
    dashed. Policies are named beside their points. Systems without one of the two scores are left out.

    Args:
        reports: of one kind of task.
        path: of the PNG.
        quality: name of the score that goes up; the first one that a report marks as a quality where none is named.
        cost: name of the score that goes to the right, likewise.

    Returns:
        The figure that was written.

    Raises:
        ValueError: no system to draw, a score that no system has, or none that is marked as such an axis.
    """
    from matplotlib.ticker import MaxNLocator

    systems = [system for report in reports for system in report.systems]
    if not systems:
        raise ValueError("no system to draw: give at least one report with a system")
    columns = columns_of(
        systems, list({column.name: column for report in reports for column in report.columns}.values())
    )
    up, right = _axis(columns, quality, "quality"), _axis(columns, cost, "cost")
    families = _families([system for system in systems if {up.name, right.name} <= system.scores.keys()], right.name)
    if not families:
        raise ValueError(f"no system to draw: none has both {up.name} and {right.name}")
    with drawing(path, (8.6, 4.8)) as figure:
        axes = figure.add_subplot()
        for family in families:
            _draw_family(axes, family, up.name, right.name)
        _name_policies(axes, families, up.name, right.name)
        axes.set_xlabel(_axis_label(right))
        axes.set_ylabel(_axis_label(up))
        axes.margins(x=0.09, y=0.08)
        for each in (axes.xaxis, axes.yaxis):
            each.set_major_locator(MaxNLocator(nbins=9, steps=[1, 2, 5, 10]))
        figure.legend(loc="outside right upper", fontsize=9, handlelength=2.6, labelspacing=0.7)
    return figure


def learning_curves(
    metrics: Sequence[Mapping[str, object]], path: str | Path, titles: Mapping[str, str] = MappingProxyType({})
) -> Figure:
    """Draw what a training run measured against its step, as a PNG.

    Every `dev/…` key has a panel of its own; where nothing was measured on a development set, every `rollout/…` key
    has. Rows may lack keys, and values that are not finite numbers are left out.

    Args:
        metrics: rows of `metrics.jsonl`, each with the key "step".
        path: the file to write.
        titles: of the panels, by what follows `dev/` or `rollout/`; a key without one is its own title.

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
        for place, key in enumerate(panels, start=1):
            name = key.partition("/")[2]
            _draw_panel(figure.add_subplot(lines, columns, place), titles.get(name, name), key, metrics)
    return figure


@contextmanager
def drawing(path: str | Path, size: tuple[float, float]) -> Iterator[Figure]:
    """Give a figure outside pyplot's registry, so nothing stays open; write it as PNG when the block ends.

    Args:
        path: of the PNG; its folder is made.
        size: width and height in inches.
    """
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


def _axis(columns: Sequence[Column], name: str, axis: Literal["quality", "cost"]) -> Column:
    """The column of a name, or the first that is such an axis."""
    choices = ", ".join(column.name for column in columns)
    if not name:
        if found := first_axis(columns, axis):
            return found
        raise ValueError(f"no score here is marked as a {axis}: name one of {choices}")
    for column in columns:
        if column.name == name:
            return column
    raise ValueError(f"unknown score {name!r}: choose one of {choices}")


def _axis_label(column: Column) -> str:
    """What an axis shows, and in which direction it is better."""
    hints = {"higher": "   better →", "lower": "   ← better", "": ""}
    return column.label + hints[column.better]


def _families(systems: Sequence[Result], cost: str) -> list[_Family]:
    """The families, each with a look of its own: policies before baselines, variants after what they vary."""
    members: dict[str, list[Result]] = {}
    for system in systems:
        members.setdefault(system.family, []).append(system)
    firsts = {name: some[0] for name, some in members.items()}
    bases = list(dict.fromkeys(first.variant_of or name for name, first in firsts.items()))
    order = sorted(
        firsts.items(),
        key=lambda item: (item[1].is_baseline, bases.index(item[1].variant_of or item[0]), item[1].variant_of != ""),
    )
    looks: dict[tuple[bool, str], int] = {}  # the number of variants seen so far, by kind and base
    families = []
    for name, first in order:
        base = first.is_baseline, first.variant_of or name
        variants = looks.setdefault(base, 0)
        number = [key for key in looks if key[0] == first.is_baseline].index(base)
        colours, markers = (_BASELINES, _BASELINE_MARKERS) if first.is_baseline else (_POLICIES, _POLICY_MARKERS)
        line = _DASHES[variants % len(_DASHES)] if first.variant_of else "-"
        looks[base] += first.variant_of != ""
        ordered = tuple(sorted(members[name], key=lambda system: system.scores[cost].value))
        look = colours[number % len(colours)], markers[number % len(markers)], line
        families.append(_Family(name, *look, first.variant_of != "", ordered))
    return families


def _draw_family(axes: Axes, family: _Family, quality: str, cost: str) -> None:
    muted = family.is_baseline
    drawn = axes.errorbar(
        [system.scores[cost].value for system in family.systems],
        [system.scores[quality].value for system in family.systems],
        xerr=_errors(family.systems, cost),
        yerr=_errors(family.systems, quality),
        label=family.name,
        color=family.colour,
        marker=family.marker,
        markersize=5 if muted else 7,
        markerfacecolor="white" if family.hollow else family.colour,
        markeredgecolor=family.colour if family.hollow else "white",
        markeredgewidth=1.2 if family.hollow else 0.8,
        linestyle=family.line,
        linewidth=1.2 if muted else 1.7,
        elinewidth=0.9,
        zorder=(3 if muted else 5) - family.hollow,  # a variant lies under what it varies
    )
    for bars in drawn.lines[2]:
        bars.set_alpha(0.45)


def _errors(systems: Sequence[Result], name: str) -> list[list[float]]:
    """How far the intervals reach below and above the scores; 0 where there is none."""
    scores = [system.scores[name] for system in systems]
    below = [0.0 if score.low is None else max(0.0, score.value - score.low) for score in scores]
    above = [0.0 if score.high is None else max(0.0, score.high - score.value) for score in scores]
    return [below, above]


def _name_policies(axes: Axes, families: Sequence[_Family], quality: str, cost: str) -> None:
    """Write the names of policies beside their points; variants stand near what they vary and need none."""
    from matplotlib.patheffects import withStroke

    own = [
        (family.colour, system)
        for family in families
        if not (family.is_baseline or family.hollow)
        for system in family.systems
    ]
    own.sort(key=lambda item: item[1].scores[cost].value)
    for number, (colour, system) in enumerate(own):
        above = number % 2 == 0  # in turn, so that neighbours don't cover each other
        axes.annotate(
            system.name,
            (system.scores[cost].value, system.scores[quality].value),
            (-5 if above else 5, 5 if above else -5),
            textcoords="offset points",
            horizontalalignment="right" if above else "left",
            verticalalignment="bottom" if above else "top",
            color=colour,
            fontsize=8.5,
            path_effects=[withStroke(linewidth=2, foreground="white")],
            zorder=6,
        )


def _panels(metrics: Sequence[Mapping[str, object]]) -> list[str]:
    """The key of each panel, in the order in which they first appear."""
    keys = dict.fromkeys(key for row in metrics for key, value in row.items() if _number(value) is not None)
    return [key for key in keys if key.startswith("dev/")] or [key for key in keys if key.startswith("rollout/")]


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and isfinite(value) else None


def _draw_panel(axes: Axes, title: str, key: str, metrics: Sequence[Mapping[str, object]]) -> None:
    from matplotlib.ticker import MaxNLocator

    points = [(row["step"], value) for row in metrics if (value := _number(row.get(key))) is not None]
    steps, values = zip(*points, strict=True)
    marker = "o" if len(points) <= 40 else None
    axes.plot(steps, values, color=_POLICIES[0], linewidth=1.6, marker=marker, markersize=3.5)
    axes.set_title(title, loc="left", fontsize=10)
    axes.set_xlabel("step")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
