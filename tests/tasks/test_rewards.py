"""The fused reward: by hand, as loops, and in groups without any difference."""

from __future__ import annotations

import math
from statistics import mean, pstdev

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seqpo.tasks.translation.rewards import FusedReward, group_z

few = settings(max_examples=50, deadline=None)

# group 0: 1, 3 (mean 2, std 1); group 1: 0, 0, 6, 6 (mean 3, std 3), mixed with it
GROUP = torch.tensor([1, 0, 1, 0, 1, 1])
SCORES = torch.tensor([0.0, 1.0, 6.0, 3.0, 0.0, 6.0])


def test_z_scores_by_hand():
    assert group_z(SCORES, GROUP, 2).tolist() == [-1, -1, 1, 1, -1, 1]


def test_fused_reward_by_hand():
    quality = torch.tensor([10.0, 20.0, 5.0, 5.0])  # z: −1, 1; 0, 0
    latency = torch.tensor([2.0, 4.0, 7.0, 1.0])  # z: −1, 1; 1, −1
    group = torch.tensor([0, 0, 1, 1])
    # 2·z(quality) − max(0, z(latency))
    assert FusedReward()(quality, latency, group, 2).tolist() == [-2, 1, -1, 0]
    # without a floor, being faster than the mean earns something
    free = FusedReward(quality_weight=1.0, latency_weight=0.5, floor=-math.inf)
    assert free(quality, latency, group, 2).tolist() == [-0.5, 0.5, -0.5, 0.5]
    # the re-implementation of HPO puts the floor above the mean
    high = FusedReward(floor=0.5)
    assert high(quality, latency, group, 2).tolist() == [-2.5, 1, -1, -0.5]
    # ablations
    assert FusedReward(latency_weight=0.0)(quality, latency, group, 2).tolist() == [-2, 2, 0, 0]
    assert FusedReward(quality_weight=0.0)(quality, latency, group, 2).tolist() == [0, -1, -1, 0]


members = st.lists(
    st.tuples(st.integers(0, 3), st.floats(-50, 150).map(lambda x: round(x, 2)), st.integers(0, 30)), min_size=1
)


def _z(values: list[float]) -> list[float]:
    spread = pstdev(values)
    return [(value - mean(values)) / spread if spread > 1e-9 else 0.0 for value in values]


@few
@given(members, st.floats(0.1, 3), st.floats(0, 3), st.sampled_from([-math.inf, -0.5, 0.0, 0.37]))
def test_fused_reward_equals_the_loops(
    episodes: list[tuple[int, float, int]], quality_weight: float, latency_weight: float, floor: float
):
    group = [g for g, _, _ in episodes]
    expected = [0.0] * len(episodes)
    for g in set(group):
        places = [i for i, own in enumerate(group) if own == g]
        qualities = _z([episodes[i][1] for i in places])
        delays = _z([float(episodes[i][2]) for i in places])
        for i, q, delay in zip(places, qualities, delays, strict=True):
            expected[i] = quality_weight * q - latency_weight * max(floor, delay)
    fused = FusedReward(quality_weight, latency_weight, floor)(
        torch.tensor([q for _, q, _ in episodes], dtype=torch.float64),
        torch.tensor([float(delay) for _, _, delay in episodes], dtype=torch.float64),
        torch.tensor(group),
        4,
    )
    assert fused.tolist() == pytest.approx(expected, rel=1e-6, abs=1e-6)


@few
@given(st.floats(-1000, 1000, width=32), st.integers(1, 9), st.sampled_from([torch.float32, torch.float64]))
def test_a_group_without_difference_has_z_scores_of_zero(value: float, size: int, dtype: torch.dtype):
    # the mean of equal numbers may be off by a rounding, that is no difference
    scores = torch.full((size,), value, dtype=dtype)
    z = group_z(scores, torch.zeros(size, dtype=torch.long), 1)
    assert z.tolist() == [0.0] * size
    assert z.dtype == dtype


@few
@given(st.lists(st.integers(-20, 20), min_size=2, max_size=8), st.floats(0.5, 20), st.floats(-50, 50))
def test_z_scores_know_neither_origin_nor_unit(values: list[int], scale: float, shift: float):
    scores = torch.tensor(values, dtype=torch.float64)
    group = torch.zeros(len(values), dtype=torch.long)
    torch.testing.assert_close(group_z(scores * scale + shift, group, 1), group_z(scores, group, 1))


def test_a_reward_that_says_nothing_is_refused():
    with pytest.raises(ValueError, match="says nothing"):
        FusedReward(quality_weight=0.0, latency_weight=0.0)
    with pytest.raises(ValueError, match="floor must be a number, or -inf"):
        FusedReward(floor=math.nan)
