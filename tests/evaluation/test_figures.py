import matplotlib.pyplot as plt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer

from seqpo.evaluation.figures import learning_curves, quality_latency
from seqpo.evaluation.report import Report
from seqpo.evaluation.scores import System

PNG = b"\x89PNG\r\n"


def system(name: str, bleu: float, al: float, **changes: object) -> System:
    scores = {
        "chrf": bleu + 20,
        "laal": al + 1,
        "ap": 0.6,
        "dal": al + 1,
        "al_std": 1.5,
        "cw_mean": 1.4,
        "cw_max": 2.0,
    }
    others = {"waits": 2.0, "empty": 1, "n": 100, "signature": ""}
    interval = {"bleu": (bleu - 1, bleu + 2), "al": (al - 0.25, al + 0.5)}
    return System(**{"name": name, "bleu": bleu, "al": al, "interval": interval} | scores | others | changes)


REPORT = Report(
    systems=(
        system("wait-5", 26, 5),
        system("wait-1", 15, 1),
        system("wait-3", 22, 3),
        system("offline", 30, 12),
        system("sft", 24, 4),
        system("wait-if-diff", 23, 4.5),
    )
)
RL = Report(systems=(system("seqpo-0.5", 27, 3.5), system("seqpo-1.0", 25, 2.5)))


def series(axes: Axes) -> dict[str, list[tuple[float, float]]]:
    """The points of every curve by its label."""
    curves = {}
    for container in axes.containers:
        assert isinstance(container, ErrorbarContainer)
        line = container.lines[0]
        curves[container.get_label()] = list(zip(line.get_xdata(), line.get_ydata(), strict=True))
    return curves


def test_greedy_and_beam_are_a_pair_of_curves(tmp_path):
    agents = [system(f"ap-{d}{beam}", 20 + d, 5 * d) for beam in ("", "-beam") for d in (0.5, 0.7)]
    (axes,) = quality_latency([Report(systems=tuple(agents))], tmp_path / "curve.png").axes
    points = [(2.5, 20.5), (3.5, 20.7)]
    assert series(axes) == {"ap": points, "ap-beam": points}
    greedy, beam = (container.lines[0] for container in axes.containers)
    assert (greedy.get_color(), greedy.get_marker()) == (beam.get_color(), beam.get_marker())
    assert (greedy.is_dashed(), beam.is_dashed()) == (False, True)


def test_all_systems_over_one_translator_can_be_told_apart(tmp_path):
    names = ["ap-0.5", "cw-2", "wait-until-end", "wait-one-step", "wait-if-worse-1.1", "wait-if-diff-1.1"]
    listed = [system(name, 20, 5) for name in (*names, "wait-3", "seg1-3", "seg2-3")]
    (axes,) = quality_latency([Report(systems=tuple(listed))], tmp_path / "curve.png").axes
    lines = [container.lines[0] for container in axes.containers]
    assert len({line.get_color() for line in lines}) == len({line.get_marker() for line in lines}) == len(listed)


def test_every_kind_of_system_is_drawn_in_its_way(tmp_path):
    figure = quality_latency([REPORT, RL], tmp_path / "sub" / "curve.png")
    (axes,) = figure.axes
    assert series(axes) == {
        "wait-k": [(1, 15), (3, 22), (5, 26)],
        "sft": [(4, 24)],
        "seqpo": [(2.5, 25), (3.5, 27)],
        "wait-if-diff": [(4.5, 23)],
    }
    (offline,) = [line for line in axes.lines if line.get_label() == "offline"]
    assert set(offline.get_ydata()) == {30}
    assert offline.is_dashed()
    assert axes.get_xlim()[1] < 12  # the lag of a system that waits for everything would squeeze the rest
    names = {text.get_text() for text in axes.texts}
    assert names == {
        "offline 30.0",
        *(item.name for item in (*REPORT.systems, *RL.systems) if item.name != "offline"),
    }
    assert "AL (source units)" in axes.get_xlabel()
    assert "BLEU (%)" in axes.get_ylabel()
    assert (tmp_path / "sub" / "curve.png").read_bytes().startswith(PNG)


def test_error_bars_are_the_intervals(tmp_path):
    figure = quality_latency([Report(systems=(system("sft", 24, 4),))], tmp_path / "curve.png")
    (container,) = figure.axes[0].containers
    horizontal, vertical = (bars.get_segments()[0] for bars in container.lines[2])
    assert horizontal.tolist() == [[3.75, 24], [4.5, 24]]
    assert vertical.tolist() == [[4, 23], [4, 26]]


def test_other_scores_can_be_the_axes(tmp_path):
    figure = quality_latency([REPORT], tmp_path / "curve.png", quality="chrf", latency="laal")
    (axes,) = figure.axes
    assert series(axes)["sft"] == [(5, 44)]
    assert "chrF" in axes.get_ylabel()
    assert "LAAL" in axes.get_xlabel()


def test_families_differ_in_colour_and_marker(tmp_path):
    (axes,) = quality_latency([REPORT, RL], tmp_path / "curve.png").axes
    lines = [container.lines[0] for container in axes.containers]
    assert len({line.get_color() for line in lines}) == len(lines)
    assert len({line.get_marker() for line in lines}) == len(lines)


def test_labels_of_near_points_do_not_overlap(tmp_path):
    near = Report(systems=(system("sft", 25, 3), system("seqpo", 25.3, 3.02), system("wait-3", 24.8, 3.05)))
    (axes,) = quality_latency([near, REPORT], tmp_path / "curve.png").axes
    boxes = [text.get_window_extent() for text in axes.texts[:3]]
    assert len(boxes) == 3
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_any_name_can_be_drawn(tmp_path):
    names = ["$^$", "a_b|c", "seqpo $λ=1$", "7", "wait"]
    report = Report(systems=tuple(system(name, 20 + i, 3 + i) for i, name in enumerate(names)))
    (axes,) = quality_latency([report], tmp_path / "curve.png").axes
    assert [text.get_text() for text in axes.texts] == names


def test_offline_alone_is_a_line_without_a_latency_axis(tmp_path):
    (axes,) = quality_latency([Report(systems=(system("offline", 30, 12),))], tmp_path / "curve.png").axes
    assert [line.get_label() for line in axes.lines] == ["offline"]
    assert len(axes.get_xticks()) == 0


def test_equal_numbers_give_equal_files_and_leave_nothing_open(tmp_path):
    for name in ("a.png", "b.png"):
        quality_latency([REPORT, RL], tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png"]
    assert plt.get_fignums() == []


def test_nothing_to_draw_and_unknown_scores_are_refused(tmp_path):
    with pytest.raises(ValueError, match="no system to draw"):
        quality_latency([Report(systems=())], tmp_path / "curve.png")
    with pytest.raises(ValueError, match=r"unknown score 'speed': choose one of bleu"):
        quality_latency([REPORT], tmp_path / "curve.png", latency="speed")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["dev", "rollout"])
def test_learning_curves_have_a_panel_per_measure(tmp_path, place):
    rows = [
        {"step": 0, f"{place}/bleu": 20.0, f"{place}/al": 5.0, "loss": 3.0},
        {"step": 5, f"{place}/own": 0.2, "loss": float("nan")},
        {"step": 10, f"{place}/own": float("nan"), f"{place}/bleu": 22.0, f"{place}/al": 4.0},
    ]
    figure = learning_curves(rows, tmp_path / "learning.png")
    curves = {
        axes.get_title(loc="left"): list(zip(*line.get_data(), strict=True))
        for axes in figure.axes
        for line in axes.lines
    }
    assert curves == {
        "BLEU (%)": [(0, 20), (10, 22)],
        "Average lagging, AL (source units)": [(0, 5), (10, 4)],
        "own": [(5, 0.2)],
    }
    assert (tmp_path / "learning.png").read_bytes().startswith(PNG)


def test_what_was_sampled_is_drawn_only_where_nothing_was_measured(tmp_path):
    figure = learning_curves([{"step": 1, "dev/al": 2.0, "rollout/quality": 50.0}], tmp_path / "learning.png")
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["Average lagging, AL (source units)"]


@settings(max_examples=10, deadline=None)
@given(keys=st.sets(st.sampled_from(["dev/bleu", "dev/chrf", "dev/al", "dev/ap", "dev/own"]), min_size=1))
def test_there_are_as_many_panels_as_measures(tmp_path_factory, keys):
    path = tmp_path_factory.mktemp("figures") / "learning.png"
    figure = learning_curves([{"step": 1} | dict.fromkeys(keys, 1.0)], path)
    assert len(figure.axes) == len(keys)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "nothing to draw"),
        ([{"step": 1, "loss": 2.0, "dev/note": "good"}], "nothing to draw"),
        ([{"step": 1, "dev/al": 2.0}, {"dev/al": 2.0}], 'row 2 .* "step"'),
    ],
)
def test_metrics_without_a_curve_are_refused(tmp_path, rows, message):
    with pytest.raises(ValueError, match=message):
        learning_curves(rows, tmp_path / "learning.png")
