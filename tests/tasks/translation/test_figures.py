"""Figures of one sentence: the corners of the staircase, the attention, and systems side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from seqpo.tasks.translation.figures import side_by_side, staircase
from seqpo.tasks.translation.traces import Trace

# reads Ich, waits, reads weiß, writes "I know", reads "dass er" and "kommt", writes the rest
SOURCE = ("Ich", "weiß,", "dass", "er", "kommt.")
TRACE = Trace(SOURCE, ((1, ""), (1, "I know"), (2, ""), (1, " that he comes.")), "word")
EAGER = Trace(SOURCE, ((1, "I"), (1, " know"), (2, " it"), (1, "")), "word")


def test_reads_go_right_and_writes_go_down(tmp_path: Path):
    figure = staircase(TRACE, tmp_path / "deep" / "stairs.png")
    (axes,) = figure.axes
    (line,) = axes.lines
    corners = list(zip(line.get_xdata(), line.get_ydata(), strict=True))
    # both words after two reads; the other three after five
    assert corners == [
        *((0, 0), (2, 0), (2, 1), (2, 1), (2, 2)),
        *((5, 2), (5, 3), (5, 3), (5, 4), (5, 4), (5, 5)),
    ]
    assert [label.get_text() for label in axes.get_xticklabels()] == list(SOURCE)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["I", "know", "that", "he", "comes."]
    assert not axes.collections
    assert (tmp_path / "deep" / "stairs.png").read_bytes().startswith(b"\x89PNG")


def test_attention_is_shaded_unit_by_unit(tmp_path: Path):
    attention = np.eye(5, dtype=np.float32)
    (axes,) = staircase(TRACE, tmp_path / "stairs.png", attention=attention).axes
    (mesh,) = axes.collections
    assert np.array_equal(np.asarray(mesh.get_array()).reshape(5, 5), attention)


def test_a_text_stands_under_the_unit_it_was_written_after(tmp_path: Path):
    figure = side_by_side({"agent": TRACE, "eager": EAGER}, tmp_path / "outputs.png")
    (axes,) = figure.axes
    at = {text.get_text(): text.get_position() for text in axes.texts}
    assert at["I know"] == (at["weiß,"][0], 1)
    assert at["that he comes."] == (at["kommt."][0], 1)
    assert [at[text] for text in ("I", "know", "it")] == [(at[unit][0], 2) for unit in ("Ich", "weiß,", "er")]
    assert at["eager"][1] == 2


def test_what_can_not_be_drawn_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="nothing was written"):
        staircase(Trace(SOURCE, ((5, ""),), "word"), tmp_path / "no.png")
    with pytest.raises(ValueError, match=r"shape \(2, 2\), for 5 target and 5 source units"):
        staircase(TRACE, tmp_path / "no.png", attention=np.zeros((2, 2), dtype=np.float32))
    other = Trace(("Nein.",), ((1, "No."),), "word")
    with pytest.raises(ValueError, match="translate one sentence, here are 2"):
        side_by_side({"one": TRACE, "two": other}, tmp_path / "no.png")
    with pytest.raises(ValueError, match="here are 0"):
        side_by_side({}, tmp_path / "no.png")
    assert not (tmp_path / "no.png").exists()
