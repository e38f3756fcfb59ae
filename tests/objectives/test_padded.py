"""From padded tensors to packed action tokens and back."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seqpo.objectives import Padded

MASK = torch.tensor(
    [
        [0, 1, 1, 0, 1],  # two turns, the last at the end
        [0, 0, 0, 0, 0],  # nothing chosen: no episode
        [1, 0, 1, 0, 0],  # a turn at the very start, right after the row above
        [1, 1, 1, 1, 1],  # a single turn, that follows no gap
    ]
)


@st.composite
def masks(draw: st.DrawFn) -> torch.Tensor:
    """`[batch, time]` with an action token or more."""
    time = draw(st.integers(1, 6))
    rows = draw(st.lists(st.lists(st.booleans(), min_size=time, max_size=time), min_size=1, max_size=5))
    rows[draw(st.integers(0, len(rows) - 1))][draw(st.integers(0, time - 1))] = True
    return torch.tensor(rows)


def _turns(row: list[bool]) -> list[int]:
    """Lengths of the runs of a row."""
    runs = "".join("1" if cell else " " for cell in row).split()
    return [len(run) for run in runs]


def test_turns_and_episodes_by_hand():
    layout = Padded.of(MASK)
    assert layout.segments.turn.tolist() == [0, 0, 1, 2, 3, 4, 4, 4, 4, 4]
    assert layout.segments.episode.tolist() == [0, 0, 1, 1, 2]
    assert layout.segments.group.tolist() == [0, 1, 2]
    assert layout.segments.groups == 3
    assert layout.rows.tolist() == [0, 2, 3]
    assert (layout.segments.denominators.episodes, layout.segments.denominators.tokens) == (3, 10)


def test_values_by_hand():
    layout = Padded.of(MASK)
    cells = torch.arange(20.0).reshape(4, 5)
    assert layout.flat(cells).tolist() == [1, 2, 4, 10, 12, 15, 16, 17, 18, 19]
    assert layout.flat(torch.tensor([0.5, 9.0, -1.0, 2.0])).tolist() == [0.5] * 3 + [-1.0] * 2 + [2.0] * 5
    assert layout.pad(torch.arange(10.0), fill=-7.0)[0].tolist() == [-7, 0, 1, -7, 2]
    assert layout.pad(torch.ones(10))[1].tolist() == [0] * 5


@pytest.mark.parametrize("dtype", [torch.bool, torch.long, torch.float32])
def test_any_number_but_0_marks_an_action_token(dtype: torch.dtype):
    assert torch.equal(Padded.of((2 * MASK).to(dtype)).mask, MASK.bool())


@pytest.mark.parametrize(
    ("group", "expected"),
    [([0, 0, 0, 0], [0, 0, 0]), ([7, 3, -2, 7], [1, 0, 1]), ([5, 1, 5, 9], [0, 0, 1]), ([3, 2, 1, 0], [2, 1, 0])],
)
def test_groups_may_have_any_numbers(group: list[int], expected: list[int]):
    segments = Padded.of(MASK, torch.tensor(group)).segments
    assert segments.group.tolist() == expected
    assert segments.groups == len(set(expected))


@given(mask=masks())
def test_a_run_is_a_turn_and_a_row_is_an_episode(mask: torch.Tensor):
    layout = Padded.of(mask)
    rows = [(i, turns) for i, row in enumerate(mask.tolist()) if (turns := _turns(row))]
    assert layout.rows.tolist() == [i for i, _ in rows]
    assert layout.segments.lengths("turn").tolist() == [length for _, turns in rows for length in turns]
    assert layout.segments.lengths("sequence").tolist() == [sum(turns) for _, turns in rows]
    assert layout.segments.count_per_episode("turn").tolist() == [len(turns) for _, turns in rows]


@given(mask=masks(), seed=st.integers(0, 10**6))
def test_there_and_back(mask: torch.Tensor, seed: int):
    layout = Padded.of(mask)
    flat = torch.randn(layout.segments.tokens, generator=torch.Generator().manual_seed(seed))
    assert torch.equal(layout.flat(layout.pad(flat)), flat)
    assert not layout.pad(flat)[~mask].any()
    padded = torch.randn(mask.shape, generator=torch.Generator().manual_seed(seed))
    assert torch.equal(layout.pad(layout.flat(padded)), padded * mask)


def test_gradients_go_there_and_back():
    layout = Padded.of(MASK)
    padded = torch.ones(4, 5, requires_grad=True)
    (slope,) = torch.autograd.grad(layout.pad(3 * layout.flat(padded)).sum(), padded)
    assert torch.equal(slope, 3.0 * MASK)


@pytest.mark.parametrize("shape", [(5,), (2, 5, 1), ()])
def test_a_mask_that_is_no_matrix_raises(shape: tuple[int, ...]):
    with pytest.raises(ValueError, match=r"a mask is \[batch, time\], got shape"):
        Padded.of(torch.ones(shape))


@pytest.mark.parametrize("shape", [(2, 3), (2, 0), (0, 3)])
def test_a_mask_without_action_tokens_raises(shape: tuple[int, int]):
    with pytest.raises(ValueError, match="no action token"):
        Padded.of(torch.zeros(shape))


@pytest.mark.parametrize("shape", [(3,), (5,), (4, 1), ()])
def test_groups_of_another_number_of_rows_raise(shape: tuple[int, ...]):
    with pytest.raises(ValueError, match=r"group has shape .*, the mask has 4 rows"):
        Padded.of(MASK, torch.zeros(shape, dtype=torch.long))


@pytest.mark.parametrize("shape", [(4, 4), (5,), (4, 5, 1), (10,)])
def test_values_of_another_shape_raise(shape: tuple[int, ...]):
    with pytest.raises(ValueError, match=r"values have shape .*, the mask \(4, 5\)"):
        Padded.of(MASK).flat(torch.zeros(shape))
