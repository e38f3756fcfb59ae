"""Curves of baselines, told by the names of systems, and what lies above them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqpo.evaluation.families import bleu_at, curves, family_of, follows_rules
from seqpo.evaluation.report import Report, markdown
from seqpo.evaluation.scores import System


def system(name: str, bleu: float, al: float, ap: float = 0.5) -> System:
    rest = {"chrf": 50.0, "laal": al, "dal": al, "al_std": 1.0, "cw_mean": 1.0, "cw_max": 2.0, "waits": 1.0}
    return System(name=name, bleu=bleu, al=al, ap=ap, **rest, empty=0, n=10, interval={}, signature="")


WAIT_K = [system("wait-1", 10.0, 1.0, 0.5), system("wait-5", 30.0, 5.0, 0.9), system("wait-3", 22.0, 3.0, 0.7)]


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("wait-3", "wait-k"),
        ("wait-3@sft", "wait-k@sft"),
        ("wait-if-worse-3.1", "wait-if-worse"),
        ("seg1-5", "seg1"),
        ("ap-0.5-beam", "ap-beam"),
        ("seqpo-low", "seqpo"),
        ("wait-until-end", "wait-until-end"),
    ],
)
def test_systems_of_a_kind_have_names_of_a_kind(name: str, family: str):
    assert family_of(name) == family


def test_curves_are_the_baselines_that_have_several_points():
    others = [system(name, 20.0, 2.0) for name in ("ap-0.5", "ap-0.7", "wait-until-end", "seg1-3", "offline", "sft")]
    assert {name: [one.name for one in curve] for name, curve in curves([*others, *WAIT_K]).items()} == {
        "wait-k": ["wait-1", "wait-5", "wait-3"]
    }
    assert [one.name for one in others if not follows_rules(one.name)] == ["ap-0.5", "ap-0.7", "sft"]


def test_between_two_points_of_a_curve_quality_is_on_the_line():
    assert bleu_at(WAIT_K, 2.0) == pytest.approx(16.0)
    assert bleu_at(WAIT_K, 0.8, by="ap") == pytest.approx(26.0)
    assert bleu_at(WAIT_K, 5.5) is bleu_at(WAIT_K, 0.9) is None


@given(st.permutations(WAIT_K), st.floats(1.0, 5.0))
def test_the_order_of_a_curve_does_not_matter(curve: list[System], delay: float):
    assert bleu_at(curve, delay) == bleu_at(WAIT_K, delay)


def test_a_report_says_how_far_policies_lie_above_the_curves():
    text = markdown(Report(systems=(system("ap-0.5", 18.0, 2.0, 0.8), *WAIT_K)))
    lines = [line for line in text.splitlines() if line.startswith(("| at equal", "| ap-0.5"))]
    assert lines[1:] == [
        "| at equal AL | wait-k |",
        "| ap-0.5 | +2.0 |",
        "| at equal AP | wait-k |",
        "| ap-0.5 | -8.0 |",
    ]
