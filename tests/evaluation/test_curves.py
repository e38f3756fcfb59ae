"""Curves of baselines, and what lies above them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqpo.evaluation.curves import curves, first_axis, margins, quality_at
from seqpo.evaluation.report import Report, markdown
from seqpo.evaluation.statistics import Result
from tests.support.reports import COLUMNS, DRAWN, ELO, MOVES, WON, result


def fixed(name: str, won: float, moves: float, time: float) -> Result:
    return result(name, "fixed", is_baseline=True, won=won, moves=moves, time=time)


FIXED = [fixed("depth-1", 10, 1, 0.5), fixed("depth-5", 30, 5, 0.9), fixed("depth-3", 22, 3, 0.7)]


def test_curves_are_the_baselines_that_have_several_points():
    others = [
        result("own-1", "own", won=20, moves=2),
        result("own-2", "own", won=21, moves=3),
        result("random", is_baseline=True, won=1, moves=2),
        result("book-1", "book", is_baseline=True, won=5, moves=2),
        result("book-2", "book", is_baseline=True, won=5),  # nobody counted its moves
    ]
    found = curves([*others, *FIXED], "won", "moves")
    assert {name: [one.name for one in curve] for name, curve in found.items()} == {
        "fixed": ["depth-1", "depth-5", "depth-3"]
    }


def test_between_two_points_of_a_curve_quality_is_on_the_line():
    assert quality_at(FIXED, 2.0, quality="won", cost="moves") == pytest.approx(16)
    assert quality_at(FIXED, 0.8, quality="won", cost="time") == pytest.approx(26)
    assert quality_at(FIXED, 5.5, quality="won", cost="moves") is None
    assert quality_at(FIXED, 0.9, quality="won", cost="moves") is None


@given(st.permutations(FIXED), st.floats(1.0, 5.0))
def test_the_order_of_a_curve_does_not_matter(curve: list[Result], place: float):
    axes = {"quality": "won", "cost": "moves"}
    assert quality_at(curve, place, **axes) == quality_at(FIXED, place, **axes)


def test_margins_are_those_of_policies_that_have_both_scores():
    own = [result("near", won=18, moves=2), result("far", won=40, moves=9), result("unknown", won=40)]
    names, rows = margins([*own, *FIXED], quality="won", cost="moves")
    assert names == ("fixed",)
    assert rows == {"near": (pytest.approx(2),), "far": (None,)}


def test_a_report_has_a_table_of_margins_for_each_cost():
    text = markdown(Report((result("own", won=18, moves=2, time=0.8), *FIXED), COLUMNS))
    lines = [line for line in text.splitlines() if line.startswith(("| at equal", "| own"))]
    assert lines[1:] == [
        "| at equal moves | fixed |",
        "| own | +2.0 |",
        "| at equal time per game | fixed |",
        "| own | -8.0 |",
    ]


@pytest.mark.parametrize("systems", [FIXED, [result("own", won=18, moves=2)], [*FIXED[:1], result("own", won=1)]])
def test_without_policies_or_curves_there_are_no_margins(systems: list[Result]):
    assert "at equal" not in markdown(Report(tuple(systems), COLUMNS))


def test_the_first_column_of_a_kind_is_the_axis():
    assert (first_axis(COLUMNS, "quality"), first_axis([DRAWN, MOVES, ELO], "quality")) == (WON, ELO)
    assert first_axis([DRAWN, MOVES], "quality") is None
