"""Every fusion: by hand, as plain loops, and in groups without any difference."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import mean, pstdev, stdev

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from seqpo.segments import Segments
from seqpo.tasks.translation.prefix_bleu import SMOOTHINGS, Smoothing, brevity_penalty, prefix_bleu
from seqpo.tasks.translation.rewards import (
    FUSIONS,
    Fusion,
    GDPOReward,
    GuReward,
    HPOReward,
    RewardInputs,
    SeqPOReward,
    group_z,
)
from seqpo.tasks.translation.traces import Trace

few = settings(max_examples=50, deadline=None)

# group 0: 1, 3 (mean 2, std 1); group 1: 0, 0, 6, 6 (mean 3, std 3), mixed with it
GROUP = torch.tensor([1, 0, 1, 0, 1, 1])
SCORES = torch.tensor([0.0, 1.0, 6.0, 3.0, 0.0, 6.0])

QUALITY = [10.0, 20.0, 5.0, 5.0]  # z: −1, 1; 0, 0
LATENCY = [2.0, 4.0, 7.0, 1.0]  # z: −1, 1; 1, −1
PAIRS = [0, 0, 1, 1]


def judged(quality: list[float], latency: list[float], group: list[int], turns: int = 1) -> RewardInputs:
    """Episodes of so many turns each, of which fusions of whole episodes look at the scores alone."""
    episodes = len(group)
    segments = Segments(
        turn=torch.arange(episodes * turns),
        episode=torch.arange(episodes).repeat_interleave(turns),
        group=torch.tensor(group),
        groups=max(group) + 1,
    )
    traces = [Trace(("x",), ((1, ""),) + ((0, ""),) * (turns - 1), "word")] * episodes
    wide = torch.float64
    scores = torch.tensor(quality, dtype=wide), torch.tensor(latency, dtype=wide)
    return RewardInputs(*scores, traces, ["x"] * episodes, segments)


def fused(fusion: Fusion, group: list[int] = PAIRS) -> list[float]:
    return fusion(judged(QUALITY, LATENCY, group)).tolist()


def test_z_scores_by_hand():
    assert group_z(SCORES, GROUP, 2).tolist() == [-1, -1, 1, 1, -1, 1]
    # of a sample: 1, 3 has the deviation √2, and 0, 0, 6, 6 has √12
    two, four = math.sqrt(1 / 2), 3 / math.sqrt(12)
    assert group_z(SCORES, GROUP, 2, sample=True).tolist() == pytest.approx([-four, -two, four, two, -four, four])


def test_seqpo_by_hand():
    # 2·z(quality) − max(0, z(latency))
    assert fused(SeqPOReward()) == [-2, 1, -1, 0]
    # without a floor, being faster than the mean earns something
    assert fused(SeqPOReward(quality_weight=1.0, latency_weight=0.5, floor=-math.inf)) == [-0.5, 0.5, -0.5, 0.5]
    # the re-implementation of HPO puts the floor above the mean
    assert fused(SeqPOReward(floor=0.5)) == [-2.5, 1, -1, -0.5]
    # ablations
    assert fused(SeqPOReward(latency_weight=0.0)) == [-2, 2, 0, 0]
    assert fused(SeqPOReward(quality_weight=0.0)) == [0, -1, -1, 0]


def test_gdpo_by_hand():
    # the deviation of a sample of two is √2 times the num_starts's: z is ±√½
    root = math.sqrt(1 / 2)
    assert fused(GDPOReward()) == pytest.approx([0, 0, -root, root])
    assert fused(GDPOReward(quality_weight=3.0, latency_weight=0.5)) == pytest.approx(
        [-2.5 * root, 2.5 * root, -0.5 * root, 0.5 * root]
    )


def test_hpo_by_hand():
    # saved: 2 − 6 = −4 and 4 − 6 = −2, z −1 and 1; then 0 (7 is above the ceiling) and 1 − 6 = −5, z 1 and −1
    assert fused(HPOReward(quality_floor=5.0, latency_ceiling=6.0)) == [-0.5, 0.5, -0.5, 0.5]
    # the first is too bad, and the second group too: 0 and −2, z 1 and −1; no difference
    assert fused(HPOReward(quality_floor=15.0, latency_ceiling=6.0)) == [-1.5, 1.5, 0, 0]
    assert fused(HPOReward(15.0, 6.0, quality_weight=2.0, latency_weight=3.0)) == [-5, 5, 0, 0]


@pytest.mark.parametrize("fusion", [SeqPOReward(), GDPOReward(), HPOReward()])
def test_whole_episodes_are_judged_at_their_last_turns(fusion: Fusion):
    single = fusion(judged(QUALITY, LATENCY, PAIRS))
    rewards = fusion(judged(QUALITY, LATENCY, PAIRS, turns=3)).reshape(4, 3)
    assert rewards[:, -1].tolist() == single.tolist()
    assert not rewards[:, :-1].any()


@pytest.mark.parametrize("fusion", [SeqPOReward(), GDPOReward(), HPOReward(quality_floor=0.0)])
def test_an_episode_alone_and_episodes_alike_earn_nothing(fusion: Fusion):
    assert fused(fusion, group=[0, 1, 2, 3]) == [0, 0, 0, 0]
    assert fusion(judged([7.0] * 3, [0.1] * 3, [0, 0, 0])).tolist() == [0, 0, 0]


members = st.lists(
    st.tuples(st.integers(0, 3), st.floats(-50, 150).map(lambda x: round(x, 2)), st.integers(0, 30)), min_size=1
)
weights = st.floats(0.1, 3)


def _z(values: list[float], deviation: Callable[[list[float]], float] = pstdev) -> list[float]:
    spread = deviation(values) if len(values) > 1 else 0.0
    return [(value - mean(values)) / spread if spread > 1e-9 else 0.0 for value in values]


def assert_loops(
    fusion: Fusion,
    episodes: list[tuple[int, float, int]],
    one_group: Callable[[list[float], list[float]], list[float]],
):
    """One group after the other, from the qualities and latencies of its members."""
    group = [g for g, _, _ in episodes]
    expected = [0.0] * len(episodes)
    for g in set(group):
        places = [i for i, own in enumerate(group) if own == g]
        values = one_group([episodes[i][1] for i in places], [float(episodes[i][2]) for i in places])
        for i, value in zip(places, values, strict=True):
            expected[i] = value
    seen: Tensor = fusion(judged([q for _, q, _ in episodes], [float(delay) for _, _, delay in episodes], group))
    assert seen.tolist() == pytest.approx(expected, rel=1e-6, abs=1e-6)


@few
@given(members, weights, st.floats(0, 3), st.sampled_from([-math.inf, -0.5, 0.0, 0.37]))
def test_seqpo_equals_the_loops(episodes: list[tuple[int, float, int]], first: float, second: float, floor: float):
    def one_group(qualities: list[float], delays: list[float]) -> list[float]:
        pairs = zip(_z(qualities), _z(delays), strict=True)
        return [first * q - second * max(floor, delay) for q, delay in pairs]

    assert_loops(SeqPOReward(first, second, floor), episodes, one_group)


@few
@given(members, weights, st.floats(0, 3))
def test_gdpo_equals_the_loops(episodes: list[tuple[int, float, int]], first: float, second: float):
    def one_group(qualities: list[float], delays: list[float]) -> list[float]:
        pairs = zip(_z(qualities, stdev), _z(delays, stdev), strict=True)
        return [first * q - second * delay for q, delay in pairs]

    assert_loops(GDPOReward(first, second), episodes, one_group)


@few
@given(members, st.sampled_from([-math.inf, 0.0, 40.0]), st.integers(0, 30), weights, weights)
def test_hpo_equals_the_loops(
    episodes: list[tuple[int, float, int]], floor: float, ceiling: int, first: float, second: float
):
    def one_group(qualities: list[float], delays: list[float]) -> list[float]:
        saved = [0.0 if q < floor else min(0.0, d - ceiling) for q, d in zip(qualities, delays, strict=True)]
        return [first * q - second * h for q, h in zip(_z(qualities), _z(saved), strict=True)]

    assert_loops(HPOReward(floor, float(ceiling), first, second), episodes, one_group)


def turn_by_turn(fusion: GuReward, trace: Trace, reference: str) -> list[float]:
    turns = len(trace.turns)
    one = Segments(torch.arange(turns), torch.zeros(turns, dtype=torch.long), torch.zeros(1, dtype=torch.long), 1)
    nothing = torch.zeros(1, dtype=torch.float64)
    return fusion(RewardInputs(nothing, nothing, [trace], [reference], one)).tolist()


# R R R W | R R (a wait) | R W W | W, and the source is over
GU = Trace(tuple("abcdef"), ((3, " one"), (2, ""), (1, " two four"), (0, " five")), "word")


def test_gu_by_hand():
    # BLEU without brevity penalty: 1 after "one", for what is not there counts 1; then nothing is added.
    # "one two four": 3/3, (1+1)/(2+1), (0+1)/(1+1), 1. "one two four five": 4/4, 3/4, (0+1)/3, (0+1)/2
    three, four = (2 / 3 * 1 / 2) ** 0.25, (3 / 4 * 1 / 3 * 1 / 2) ** 0.25
    quality = [1, 0, three - 1, four * math.exp(1 - 5 / 4)]  # four words of five
    # runs 1, 2, 3, then 1, 2, and 3 because nothing was written between: α·(0 + 1 + 2), α·(0 + 1), α·2
    waiting = [3, 1, 2, 0]
    # delays 3, 6, 6, 6 of 6 words: AP = 21/24, 3/8 above the target
    proportion = 3 / 8
    expected = [q - 0.015 * w for q, w in zip(quality, waiting, strict=True)]
    expected[-1] -= 0.62 * proportion
    assert turn_by_turn(GuReward(), GU, "one two three four five") == pytest.approx(expected)
    # without a price of delay, and the brevity penalty of the released code
    bare = GuReward(alpha=0.0, beta=0.0, brevity_power=2)
    quality[-1] *= math.exp(1 - 5 / 4)
    assert turn_by_turn(bare, GU, "one two three four five") == pytest.approx(quality)


def test_gu_counts_a_word_where_it_ends():
    # R W-begun | R W-done: the run is 1, then 2, and the word's BLEU comes with its end
    trace = Trace(("a", "b"), ((1, " on"), (1, "e")), "word")
    assert turn_by_turn(GuReward(alpha=-1.0, beta=0.0, cw_target=2), trace, "one") == [0, 1 - 1]


def test_gu_counts_characters():
    trace = Trace(("I", "see"), ((1, "我"), (1, "看见")), "char")
    # 我 scores 1, 我看见 1 too; AP = (1 + 2 + 2) / 6 is ⅓ above ½
    assert turn_by_turn(GuReward(alpha=0.0, beta=-1.0), trace, "我看见") == pytest.approx([1, 1 - 1 / 3])


def test_who_writes_nothing_has_waited_for_everything():
    trace = Trace(("a", "b"), ((1, ""), (1, ""), (0, "")), "word")
    assert turn_by_turn(GuReward(alpha=-1.0, beta=-1.0, cw_target=1), trace, "one") == [-1, -2, -0.5]


pieces = st.lists(st.tuples(st.integers(0, 3), st.lists(st.sampled_from("abc"), max_size=3)), min_size=1, max_size=5)


@few
@given(
    pieces,
    st.lists(st.sampled_from("abc"), min_size=1),
    st.integers(1, 4),
    st.floats(0, 1),
    st.sampled_from(SMOOTHINGS),
)
def test_gu_equals_the_loops(
    turns: list[tuple[int, list[str]]], reference: list[str], cw_target: int, ap_target: float, smoothing: Smoothing
):
    """One READ or WRITE after the other."""
    source = ("s",) * max(1, sum(count for count, _ in turns))
    trace = Trace(source, tuple((count, "".join(" " + unit for unit in units)) for count, units in turns), "word")
    written: list[str] = []
    delays: list[int] = []
    read = run = 0
    expected = []

    def bleu(units: list[str]) -> float:
        return prefix_bleu([units], reference, smoothing)[0]

    for count, units in turns:
        reward = 0.0
        for _ in range(count):
            run += 1
            read += 1
            reward += -0.1 * (2 if run > cw_target else 1 if run == cw_target else 0)
        for unit in units:
            run = 0
            reward += bleu([*written, unit]) - bleu(written)
            written.append(unit)
            delays.append(read)
        expected.append(reward)
    last = bleu(written) - bleu(written[: len(written) - len(turns[-1][1])])
    expected[-1] += bleu(written) * brevity_penalty(len(written), len(reference)) - last
    proportion = sum(delays) / len(source) / len(delays) if delays else 1.0
    expected[-1] += -0.7 * max(0.0, proportion - ap_target)
    fusion = GuReward(-0.1, -0.7, cw_target, ap_target, smoothing)
    assert turn_by_turn(fusion, trace, " ".join(reference)) == pytest.approx(expected, abs=1e-9)


def test_gu_wants_a_turn_for_a_turn():
    short = Trace(GU.source, ((6, " one"),), "word")
    mixed = judged([0.0], [0.0], [0], turns=2)
    with pytest.raises(ValueError, match="the traces have 1 turns, the batch 2"):
        GuReward()(RewardInputs(mixed.quality, mixed.latency, [short], ["one"], mixed.segments))


@few
@given(
    st.floats(-1000, 1000, width=32), st.integers(1, 9), st.sampled_from([torch.float32, torch.float64]), st.booleans()
)
def test_a_group_without_difference_has_z_scores_of_zero(value: float, size: int, dtype: torch.dtype, sample: bool):
    # the mean of equal numbers may be off by a rounding, that is no difference
    scores = torch.full((size,), value, dtype=dtype)
    z = group_z(scores, torch.zeros(size, dtype=torch.long), 1, sample=sample)
    assert z.tolist() == [0.0] * size
    assert z.dtype == dtype


@few
@given(st.lists(st.integers(-20, 20), min_size=2, max_size=8), st.floats(0.5, 20), st.floats(-50, 50))
def test_z_scores_know_neither_origin_nor_unit(values: list[int], scale: float, shift: float):
    scores = torch.tensor(values, dtype=torch.float64)
    group = torch.zeros(len(values), dtype=torch.long)
    torch.testing.assert_close(group_z(scores * scale + shift, group, 1), group_z(scores, group, 1))


def test_the_catalog_builds_what_it_names():
    assert FUSIONS.build("seqpo") == SeqPOReward()
    assert FUSIONS.build("gdpo", latency_weight=2) == GDPOReward(latency_weight=2.0)
    assert FUSIONS.build("hpo", quality_floor=-math.inf) == HPOReward(quality_floor=-math.inf)
    assert FUSIONS.build("gu", smoothing="method5", brevity_power=2) == GuReward(smoothing="method5", brevity_power=2)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("sum", {}, "unknown fusion 'sum': choose one of seqpo, gdpo, hpo, gu"),
        ("gdpo", {"floor": 0.0}, "fusion 'gdpo' has no option floor; its options: quality_weight, latency_weight"),
        ("hpo", {"ceiling": 1.0}, "fusion 'hpo' has no option ceiling; its options: quality_floor, latency_ceiling"),
        ("seqpo", {"floor": "low"}, "fusion 'seqpo': option floor can't be 'low'"),
        (
            "seqpo",
            {"quality_weight": 0, "latency_weight": 0},
            "a reward without quality and without latency says nothing",
        ),
        ("gdpo", {"quality_weight": 0, "latency_weight": 0}, "says nothing"),
        ("hpo", {"quality_weight": 0, "latency_weight": 0}, "says nothing"),
        ("seqpo", {"floor": math.nan}, "floor must be a number, or -inf"),
        ("hpo", {"quality_floor": math.nan}, "quality floor a number, or -inf"),
        ("hpo", {"latency_ceiling": math.inf}, "latency ceiling must be finite"),
        ("gu", {"alpha": 0.1}, "alpha and beta must not be positive, got 0.1 and -0.62"),
        ("gu", {"beta": math.nan}, "alpha and beta must not be positive"),
        ("gu", {"ap_target": 2}, "ap_target is a share of the source, from 0 to 1, got 2"),
        ("gu", {"cw_target": 2.5}, "fusion 'gu': option cw_target can't be 2.5"),
        ("gu", {"smoothing": "floor"}, "fusion 'gu': option smoothing can't be 'floor'"),
    ],
)
def test_fusions_without_meaning_are_refused(name: str, options: dict, said: str):
    with pytest.raises(ValueError, match=said):
        FUSIONS.build(name, **options)


@pytest.mark.parametrize(
    ("wrong", "said"), [({"smoothing": "floor"}, "add-one, method5"), ({"brevity_power": 3}, "1, 2")]
)
def test_unknown_choices_of_gu_are_refused(wrong: dict, said: str):
    with pytest.raises(ValueError, match=rf"unknown {next(iter(wrong))} .*: choose one of {said}"):
        GuReward(**wrong)
