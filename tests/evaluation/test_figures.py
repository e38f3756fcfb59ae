"""Figures: what is drawn where, in which look, and what can't be drawn."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.lines import Line2D

from seqpo.evaluation.figures import learning_curves, tradeoff
from seqpo.evaluation.report import Report
from seqpo.evaluation.statistics import Result
from tests.support.reports import COLUMNS, DRAWN, result

PNG = b"\x89PNG\r\n"


def system(
    name: str, won: float, moves: float, family: str = "", variant_of: str = "", baseline: bool = False
) -> Result:
    """A system with intervals of its axes, and other scores besides."""
    ends = {"won": (won, won - 1, won + 2), "moves": (moves, moves - 0.25, moves + 0.5)}
    return result(
        name, family, variant_of=variant_of, is_baseline=baseline, elo=won + 20, time=moves + 1, drawn=1, **ends
    )


def report(*systems: Result) -> Report:
    return Report(systems, COLUMNS)


FIXED = report(
    system("depth-5", 26, 5, "depth", baseline=True),
    system("depth-1", 15, 1, "depth", baseline=True),
    system("depth-3", 22, 3, "depth", baseline=True),
    system("random", 3, 2, baseline=True),
    system("cloned", 24, 4),
)
OWN = report(system("own-low", 27, 3.5, "own"), system("own-high", 25, 2.5, "own"))


def lines(axes: Axes) -> dict[str, Line2D]:
    """The line of every family by its label."""
    found = {}
    for container in axes.containers:
        assert isinstance(container, ErrorbarContainer)
        found[str(container.get_label())] = container.lines[0]
    return found


def series(axes: Axes) -> dict[str, list[tuple[float, float]]]:
    """The points of every family by its label."""
    return {name: list(zip(line.get_xdata(), line.get_ydata(), strict=True)) for name, line in lines(axes).items()}


def look(line: Line2D) -> tuple[object, ...]:
    return line.get_color(), line.get_marker(), line.is_dashed(), line.get_markerfacecolor()


def test_families_are_lines_and_policies_have_names(tmp_path):
    figure = tradeoff([FIXED, OWN], tmp_path / "sub" / "curve.png")
    (axes,) = figure.axes
    assert series(axes) == {
        "depth": [(1, 15), (3, 22), (5, 26)],
        "random": [(2, 3)],
        "cloned": [(4, 24)],
        "own": [(2.5, 25), (3.5, 27)],
    }
    assert {text.get_text() for text in axes.texts} == {"cloned", "own-low", "own-high"}
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["cloned", "own", "depth", "random"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("moves (half-moves)   ← better", "won (%)   better →")
    assert (tmp_path / "sub" / "curve.png").read_bytes().startswith(PNG)


def test_variants_look_like_their_family_but_hollow_and_dashed(tmp_path):
    systems = [system(f"own-{number}", 20 + number, number, "own") for number in (1, 2)]
    systems += [system(f"own-{number}-beam", 21 + number, number, "own-beam", "own") for number in (1, 2)]
    systems += [system("own-vote", 24, 2, "own-vote", "own"), system("other", 24, 2)]
    (axes,) = tradeoff([report(*systems)], tmp_path / "curve.png").axes
    own, beam, vote, other = lines(axes).values()
    assert own.get_color() == beam.get_color() == vote.get_color() != other.get_color()
    assert own.get_marker() == beam.get_marker() == vote.get_marker() != other.get_marker()
    assert [line.is_dashed() for line in (own, beam, vote, other)] == [False, True, True, False]
    assert beam.get_markerfacecolor() == vote.get_markerfacecolor() == "white" != own.get_markerfacecolor()
    assert beam._dash_pattern != vote._dash_pattern
    assert {text.get_text() for text in axes.texts} == {"own-1", "own-2", "other"}


@settings(max_examples=10, deadline=None)
@given(policies=st.integers(0, 20), baselines=st.integers(0, 15))
def test_many_families_can_be_told_apart(tmp_path_factory, policies, baselines):
    path = tmp_path_factory.mktemp("figures") / "curve.png"
    systems = [system(f"own {i}", 20, 5) for i in range(policies)]
    systems += [system(f"fixed {i}", 20, 5, baseline=True) for i in range(baselines)]
    if not systems:
        return
    (axes,) = tradeoff([report(*systems)], path).axes
    assert len({look(line) for line in lines(axes).values()}) == policies + baselines


def test_error_bars_are_the_intervals(tmp_path):
    figure = tradeoff([report(system("own", 24, 4))], tmp_path / "curve.png")
    (container,) = figure.axes[0].containers
    horizontal, vertical = (bars.get_segments()[0] for bars in container.lines[2])
    assert horizontal.tolist() == [[3.75, 24], [4.5, 24]]
    assert vertical.tolist() == [[4, 23], [4, 26]]


def test_other_scores_can_be_the_axes(tmp_path):
    (axes,) = tradeoff([FIXED], tmp_path / "curve.png", quality="elo", cost="time").axes
    assert series(axes)["cloned"] == [(5, 44)]
    assert axes.get_ylabel() == "Elo   better →"
    assert "time per game (s)" in axes.get_xlabel()


def test_systems_without_one_of_the_scores_are_left_out(tmp_path):
    systems = report(system("own", 24, 4), result("fast", won=20), result("short", moves=3))
    assert list(series(tradeoff([systems], tmp_path / "curve.png").axes[0])) == ["own"]


def test_any_name_can_be_drawn(tmp_path):
    names = ["$^$", "a_b|c", "own $λ=1$", "7", "_hidden"]
    systems = [system(name, 20 + i, 3 + i) for i, name in enumerate(names)]
    (axes,) = tradeoff([report(*systems)], tmp_path / "curve.png").axes
    assert [text.get_text() for text in axes.texts] == names


def test_equal_numbers_give_equal_files_and_leave_nothing_open(tmp_path):
    for name in ("a.png", "b.png"):
        tradeoff([FIXED, OWN], tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png"]
    assert plt.get_fignums() == []


@pytest.mark.parametrize(
    ("systems", "axes", "message"),
    [
        ([], {}, "no system to draw: give at least one report with a system"),
        ([result("own", won=3, drawn=2)], {}, "no score here is marked as a cost: name one of won, drawn"),
        ([system("own", 3, 2)], {"cost": "speed"}, "unknown score 'speed': choose one of won, elo, moves, time, drawn"),
        ([result("own", won=3, moves=2)], {"quality": "elo"}, "unknown score 'elo': choose one of won, moves"),
        ([result("own", won=3), result("other", moves=2)], {}, "no system to draw: none has both won and moves"),
    ],
)
def test_what_can_not_be_drawn_is_refused(tmp_path, systems, axes, message):
    with pytest.raises(ValueError, match=message):
        tradeoff([report(*systems)], tmp_path / "curve.png", **axes)
    assert list(tmp_path.iterdir()) == []


def test_a_score_that_is_no_axis_can_still_be_named(tmp_path):
    (axes,) = tradeoff([FIXED], tmp_path / "curve.png", cost=DRAWN.name).axes
    assert axes.get_xlabel() == "games drawn (games)"


@pytest.mark.parametrize("place", ["dev", "rollout"])
def test_learning_curves_have_a_panel_per_measure(tmp_path, place):
    rows = [
        {"step": 0, f"{place}/won": 20.0, f"{place}/moves": 5.0, "loss": 3.0},
        {"step": 5, f"{place}/own": 0.2, "loss": float("nan")},
        {"step": 10, f"{place}/own": float("nan"), f"{place}/won": 22.0, f"{place}/moves": 4.0},
    ]
    figure = learning_curves(rows, tmp_path / "learning.png", {"won": "won (%)", "elo": "Elo"})
    curves = {
        axes.get_title(loc="left"): list(zip(*line.get_data(), strict=True))
        for axes in figure.axes
        for line in axes.lines
    }
    assert curves == {
        "won (%)": [(0, 20), (10, 22)],
        "moves": [(0, 5), (10, 4)],
        "own": [(5, 0.2)],
    }
    assert (tmp_path / "learning.png").read_bytes().startswith(PNG)


def test_what_was_sampled_is_drawn_only_where_nothing_was_measured(tmp_path):
    figure = learning_curves([{"step": 1, "dev/moves": 2.0, "rollout/reward": 50.0}], tmp_path / "learning.png")
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["moves"]


@settings(max_examples=10, deadline=None)
@given(keys=st.sets(st.sampled_from(["dev/won", "dev/elo", "dev/moves", "dev/time", "dev/own"]), min_size=1))
def test_there_are_as_many_panels_as_measures(tmp_path_factory, keys):
    path = tmp_path_factory.mktemp("figures") / "learning.png"
    figure = learning_curves([{"step": 1} | dict.fromkeys(keys, 1.0)], path)
    assert len(figure.axes) == len(keys)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "nothing to draw"),
        ([{"step": 1, "loss": 2.0, "dev/note": "good"}], "nothing to draw"),
        ([{"step": 1, "dev/moves": 2.0}, {"dev/moves": 2.0}], 'row 2 .* "step"'),
    ],
)
def test_metrics_without_a_curve_are_refused(tmp_path, rows, message):
    with pytest.raises(ValueError, match=message):
        learning_curves(rows, tmp_path / "learning.png")
