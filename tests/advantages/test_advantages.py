"""Every advantage: values by hand, plain loops as an oracle, groups of one, no variance, several processes."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from statistics import mean, stdev
from threading import Barrier, Thread

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from seqpo import advantages
from seqpo.advantages import Advantage
from seqpo.advantages.parts import EPSILON
from seqpo.segments import Segments

Played = tuple[int, list[float]]  # an episode: its group, the rewards of its turns

few = settings(max_examples=50, deadline=None)


def make_segments(episodes: Sequence[Played], lengths: Sequence[int] | None = None) -> Segments:
    """Segments of episodes; their turns have `lengths` tokens, or one each."""
    counts = torch.tensor([len(rewards) for _, rewards in episodes])
    turns = int(counts.sum())
    groups = [group for group, _ in episodes]
    return Segments(
        turn=torch.repeat_interleave(torch.arange(turns), torch.tensor(lengths or [1] * turns)),
        episode=torch.repeat_interleave(torch.arange(len(episodes)), counts),
        group=torch.tensor(groups),
        groups=max(groups) + 1,
    )


def compute(advantage: Advantage, episodes: Sequence[Played], dtype: torch.dtype = torch.float64) -> list[float]:
    """The advantage of each turn (of one token)."""
    rewards = torch.tensor([r for _, rewards in episodes for r in rewards], dtype=dtype)
    return advantage(rewards, make_segments(episodes)).tolist()


# Oracle: the definitions in plain loops.


def _returns(rewards: list[float], credit: str, discount: float) -> list[float]:
    if credit == "episode":
        return [sum(rewards)]
    return [sum(discount ** (u - t) * rewards[u] for u in range(t, len(rewards))) for t in range(len(rewards))]


def oracle(advantage: Advantage, episodes: Sequence[Played]) -> list[float]:
    returns = [_returns(rewards, advantage.credit, advantage.discount) for _, rewards in episodes]
    centred: list[list[float]] = []
    for i, (group, _) in enumerate(episodes):
        centred.append([])
        for t, value in enumerate(returns[i]):
            same = [j for j, (g, _) in enumerate(episodes) if g == group and t < len(returns[j])]
            peers = [returns[j][t] for j in same]
            others = [returns[j][t] for j in same if j != i]
            baseline = {
                "none": 0.0,
                "group-mean": mean(peers),
                "leave-one-out": mean(others) if others else value,
            }[advantage.baseline]
            spread = stdev(peers) if len(peers) > 1 else 1.0
            scale = spread + EPSILON if advantage.scale == "group-std" else 1.0
            centred[i].append((value - baseline) / scale)
    if advantage.scale == "batch-std":
        flat = [value for row in centred for value in row]
        pooled = (stdev(flat) if len(flat) > 1 else 0.0) + EPSILON
        centred = [[value / pooled for value in row] for row in centred]
    return [
        row[t if advantage.credit == "return-to-go" else 0]
        for row, (_, rewards) in zip(centred, episodes, strict=True)
        for t in range(len(rewards))
    ]


# Group 0 has returns 1, 3 and 5; group 1 has 2 and 2; group 2 a single 9.
BY_HAND: list[Played] = [(0, [1.0]), (0, [3.0]), (1, [2.0]), (0, [5.0]), (1, [2.0]), (2, [9.0])]

VALUES = {
    "reinforce": [1, 3, 2, 5, 2, 9],
    # mean 3, sample std 2; no difference in group 1, nobody to compare with in group 2
    "grpo": [-1, 0, 0, 1, 0, 0],
    "dr-grpo": [-2, 0, 0, 2, 0, 0],
    # the others' means: 4, 3, 2
    "rloo": [-3, 0, 0, 3, 0, 0],
    # the sample variance of (−2, 0, 0, 2, 0, 0) is 8/5
    "lite-ppo": [-2 / math.sqrt(1.6), 0, 0, 2 / math.sqrt(1.6), 0, 0],
    # with one turn an episode, the same
    "return-to-go": [-2 / math.sqrt(1.6), 0, 0, 2 / math.sqrt(1.6), 0, 0],
}


def test_every_name_has_a_value():
    assert set(VALUES) == set(advantages.names())


@pytest.mark.parametrize("name", VALUES)
def test_value_by_hand(name: str):
    assert compute(advantages.get(name), BY_HAND) == pytest.approx(VALUES[name], abs=1e-5)


def test_return_to_go_with_uneven_lengths_by_hand():
    # γ = ½: returns-to-go (1 + ½·2 + ¼·4, 2 + ½·4, 4) = (3, 4, 4) and (5 + ½·2, 2) = (6, 2);
    # means at the same turn 4.5, 3, and 4 alone
    episodes: list[Played] = [(0, [1.0, 2.0, 4.0]), (0, [5.0, 2.0])]
    centred = Advantage("group-mean", "none", "return-to-go", discount=0.5)
    assert compute(centred, episodes) == [-1.5, 1.0, 0.0, 1.5, -1.0]
    others = Advantage("leave-one-out", "none", "return-to-go", discount=0.5)
    assert compute(others, episodes) == [-3.0, 2.0, 0.0, 3.0, -2.0]
    plain = Advantage("none", "none", "return-to-go", discount=0.5)
    assert compute(plain, episodes) == [3.0, 4.0, 4.0, 6.0, 2.0]


def test_every_token_gets_the_advantage_of_its_unit():
    episodes: list[Played] = [(0, [1.0, 2.0]), (0, [5.0])]
    segments = make_segments(episodes, lengths=[2, 1, 3])
    rewards = torch.tensor([1.0, 2.0, 5.0])
    assert Advantage()(rewards, segments).tolist() == [-1, -1, -1, 1, 1, 1]
    by_turn = Advantage("none", "none", "return-to-go")
    assert by_turn(rewards, segments).tolist() == [3, 3, 2, 5, 5, 5]


variants = [
    Advantage(baseline, scale, credit, discount)  # type: ignore[arg-type]
    for baseline in ("none", "group-mean", "leave-one-out")
    for scale in ("none", "group-std", "batch-std")
    for credit, discount in (("episode", 1.0), ("return-to-go", 1.0), ("return-to-go", 0.7))
    if baseline != "none" or scale == "none"
]
numbers = st.floats(-5, 5).map(lambda x: round(x, 3))
batches = st.lists(st.tuples(st.integers(0, 2), st.lists(numbers, min_size=1, max_size=4)), min_size=1, max_size=7)


@pytest.mark.parametrize("variant", variants, ids=str)
@few
@given(episodes=batches)
def test_equals_the_loops(variant: Advantage, episodes: list[Played]):
    assert compute(variant, episodes) == pytest.approx(oracle(variant, episodes), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("variant", variants, ids=str)
@few
@given(episodes=batches, seed=st.integers(0, 10**6))
def test_the_order_of_episodes_does_not_matter(variant: Advantage, episodes: list[Played], seed: int):
    order = random.Random(seed).sample(range(len(episodes)), len(episodes))
    turns = iter(compute(variant, episodes))
    rows = [[next(turns) for _ in rewards] for _, rewards in episodes]
    shuffled = compute(variant, [episodes[i] for i in order])
    assert shuffled == pytest.approx([a for i in order for a in rows[i]], rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("name", [name for name in VALUES if name != "reinforce"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@given(value=st.floats(-1000, 1000, width=32), size=st.integers(1, 9))
@few
def test_the_same_return_everywhere_is_no_reason_to_learn(name: str, dtype: torch.dtype, value: float, size: int):
    # the mean of equal numbers may be off by a rounding, that a tiny deviation must not blow up
    assert compute(advantages.get(name), [(0, [value])] * size, dtype) == pytest.approx([0.0] * size, abs=1e-3)


@few
@given(episodes=batches)
def test_baselines_of_the_group_leave_nothing_on_average(episodes: list[Played]):
    for name in ("dr-grpo", "rloo"):
        segments = make_segments(episodes)
        rewards = torch.tensor([r for _, row in episodes for r in row], dtype=torch.float64)
        first = [0, *torch.tensor([len(row) for _, row in episodes]).cumsum(0)[:-1].tolist()]
        of_episode = advantages.get(name)(rewards, segments)[first]
        for group in {group for group, _ in episodes}:
            assert of_episode[segments.group == group].sum().item() == pytest.approx(0, abs=1e-9)


class Processes:
    """Sums tensors over two threads that play the processes of a run."""

    def __init__(self) -> None:
        self._meet = Barrier(2)
        self._given: dict[int, Tensor] = {}

    def all_sum(self, rank: int, tensor: Tensor) -> Tensor:
        self._given[rank] = tensor.clone()
        self._meet.wait(10)
        total = self._given[0] + self._given[1]
        self._meet.wait(10)
        return total


@pytest.mark.parametrize("name", ["lite-ppo", "return-to-go"])
def test_two_processes_have_the_deviation_of_one(name: str):
    parts: list[list[Played]] = [
        [(0, [1.0, 2.0]), (0, [4.0])],
        [(0, [0.5]), (0, [3.0, -1.0]), (0, [2.0, 2.0, 2.0])],
    ]
    whole = [(rank, rewards) for rank, part in enumerate(parts) for _, rewards in part]
    processes, found = Processes(), {}

    def work(rank: int) -> None:
        rewards = torch.tensor([r for _, row in parts[rank] for r in row], dtype=torch.float64)
        found[rank] = advantages.get(name)(
            rewards, make_segments(parts[rank]), lambda tensor: processes.all_sum(rank, tensor)
        ).tolist()

    threads = [Thread(target=work, args=(rank,)) for rank in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found[0] + found[1] == pytest.approx(compute(advantages.get(name), whole), rel=1e-12)


def test_options_replace_defaults():
    assert advantages.get("grpo", scale="none") == advantages.get("dr-grpo")
    assert advantages.get("return-to-go", discount=0.9).discount == 0.9


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("gae", {}, "unknown advantage 'gae': choose one of reinforce, grpo"),
        ("grpo", {"gamma": 0.9}, "got options gamma; known: baseline, scale, credit, discount"),
        ("grpo", {"discount": 0.9}, "discount belongs to credit 'return-to-go'"),
        ("grpo", {"scale": "std"}, "unknown scale 'std': choose one of none, group-std, batch-std"),
        ("grpo", {"baseline": "mean"}, "unknown baseline 'mean'"),
        ("grpo", {"credit": "turn"}, "unknown credit 'turn'"),
        ("grpo", {"baseline": "none"}, "a scale needs a baseline"),
    ],
)
def test_a_wrong_option_raises(name: str, options: dict[str, object], message: str):
    with pytest.raises(ValueError, match=message):
        advantages.get(name, **options)


def test_a_wrong_shape_raises():
    with pytest.raises(ValueError, match=r"rewards have shape \(2,\), segments hold 3 turns"):
        Advantage()(torch.zeros(2), make_segments([(0, [0.0, 0.0]), (0, [0.0])]))
