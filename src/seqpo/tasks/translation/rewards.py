"""Quality and delay of a batch of translations, fused into rewards of their turns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, Protocol, get_args

import torch
from torch import Tensor

from seqpo.catalogs import Catalog
from seqpo.segments import Segments, add_by
from seqpo.tasks.translation.latency import average_proportion
from seqpo.tasks.translation.prefix_bleu import SMOOTHINGS, Smoothing, brevity_penalty, prefix_bleu
from seqpo.tasks.translation.traces import Trace
from seqpo.tasks.translation.units import split
from seqpo.types import Rewards


@dataclass(frozen=True)
class RewardInputs:
    """What a batch of translations was found to be.

    Attributes:
        quality: `[episodes]`, higher is better.
        latency: `[episodes]`, lower is better.
        traces: of the episodes, a turn for a turn: the end of the source is a turn in which nothing is read.
        references: of the episodes.
        segments: turns, episodes and groups of the batch.
    """

    quality: Tensor
    latency: Tensor
    traces: Sequence[Trace]
    references: Sequence[str]
    segments: Segments

    def at_end(self, denominators: Tensor) -> Tensor:
        """Put one reward per episode `[episodes]` at the last turn of each: `[turns]`."""
        return Rewards.at_end(denominators, self.segments, {}).values


class Fusion(Protocol):
    """A way to make one reward of quality and delay."""

    def __call__(self, inputs: RewardInputs) -> Tensor:
        """Return the reward of each turn: `[turns]`; a score of a whole episode stands at its last turn."""
        ...


FUSIONS: Catalog[Fusion] = Catalog("fusion", "seqpo.tasks.translation.rewards.Fusion")
"""The published fusions by name; options are the fields of each."""


@FUSIONS.published("seqpo", "2505.20622", r"\lambda z(q) - \max(c, z(l))")
@dataclass(frozen=True)
class SeqPOReward:
    """r = quality_weight · z(quality) − latency_weight · max(floor, z(latency)), z over the group.

    SeqPO-SiMT (2505.20622). The papers' notes print the floor with the symbol of the chunk size; a z-score of a
    small group can't reach a chunk size, so it is a parameter of its own here. −inf is no floor.

    Attributes:
        quality_weight: λ of the paper; 0 for the latency-only ablation.
        latency_weight: 1 in the paper; 0 for the quality-only ablation.
        floor: below it, being faster earns nothing more.

    Raises:
        ValueError: both weights are 0, or the floor is not a number.
    """

    quality_weight: float = 2.0
    latency_weight: float = 1.0
    floor: float = 0.0

    def __post_init__(self) -> None:
        _check_weights(self.quality_weight, self.latency_weight)
        if math.isnan(self.floor):
            raise ValueError("the floor must be a number, or -inf for none")

    def __call__(self, inputs: RewardInputs) -> Tensor:
        """Fuse whole episodes: `[turns]`."""
        group, groups = inputs.segments.group, inputs.segments.groups
        delay = group_z(inputs.latency, group, groups).clamp(min=self.floor)
        return inputs.at_end(self.quality_weight * group_z(inputs.quality, group, groups) - self.latency_weight * delay)


@FUSIONS.published("gdpo", "2601.05242", r"w_q z(q) - w_l z(l)")
@dataclass(frozen=True)
class GDPOReward:
    """r = quality_weight · z(quality) − latency_weight · z(latency), z over the group with the sample deviation.

    GDPO (2601.05242) then whitens the sums over the episodes of the step, which is the advantage's business: pair
    this with `advantage = "gdpo"`.

    Attributes:
        quality_weight: of quality.
        latency_weight: of latency.

    Raises:
        ValueError: both weights are 0.
    """

    quality_weight: float = 1.0
    latency_weight: float = 1.0

    def __post_init__(self) -> None:
        _check_weights(self.quality_weight, self.latency_weight)

    def __call__(self, inputs: RewardInputs) -> Tensor:
        """Fuse whole episodes: `[turns]`."""
        group, groups = inputs.segments.group, inputs.segments.groups
        quality = group_z(inputs.quality, group, groups, sample=True)
        latency = group_z(inputs.latency, group, groups, sample=True)
        return inputs.at_end(self.quality_weight * quality - self.latency_weight * latency)


@FUSIONS.published("hpo", "2604.21045", r"w_q z(q) - w_l z(h), \quad h = \min(0, l - l_{max})\,[q \ge q_{min}]")
@dataclass(frozen=True)
class HPOReward:
    """r = quality_weight · z(quality) − latency_weight · z(h), z over the group: being fast counts where it is good.

    HPO (2604.21045) for single sentences: h = min(0, latency − latency_ceiling), the time saved, of a translation
    of some quality, and 0, the worst, of any other. The paper gates speech by a neural metric. The two thresholds
    for text are ours: sentence BLEU of 30 and an average lagging of 10 words.

    Attributes:
        quality_floor: quality below which being fast earns nothing; −inf for no gate.
        latency_ceiling: latency from which on nothing is saved.
        quality_weight: of quality.
        latency_weight: of the time saved.

    Raises:
        ValueError: both weights are 0, or thresholds without meaning.
    """

    quality_floor: float = 30.0
    latency_ceiling: float = 10.0
    quality_weight: float = 1.0
    latency_weight: float = 0.5

    def __post_init__(self) -> None:
        _check_weights(self.quality_weight, self.latency_weight)
        if math.isnan(self.quality_floor) or not math.isfinite(self.latency_ceiling):
            raise ValueError("the latency ceiling must be finite, and the quality floor a number, or -inf for no gate")

    def __call__(self, inputs: RewardInputs) -> Tensor:
        """Fuse whole episodes: `[turns]`."""
        group, groups = inputs.segments.group, inputs.segments.groups
        saved = (inputs.latency - self.latency_ceiling).clamp(max=0.0)
        saved = saved.where(inputs.quality >= self.quality_floor, 0.0)
        quality, saved = group_z(inputs.quality, group, groups), group_z(saved, group, groups)
        return inputs.at_end(self.quality_weight * quality - self.latency_weight * saved)


BrevityPower = Literal[1, 2]


@FUSIONS.published(
    "gu",
    "1610.00388, Eq. 5-9",
    r"\Delta\mathrm{BLEU}_t + \alpha [\mathrm{sgn}(c_t - c^*) + 1] + \beta \lfloor d - d^* \rfloor_+",
)
@dataclass(frozen=True)
class GuReward:
    """What each turn adds to BLEU, minus what its silence costs (Gu et al. 2017, 1610.00388, Eq. 5–9).

    A turn stands for as many READ steps as it reads units, then for as many WRITE steps as it writes, and gets the
    sum of their rewards; a unit belongs to the turn that wrote its last character. Quality: the growth of BLEU
    without brevity penalty, but the whole sentence's BLEU in the last turn. Delay: α·[sgn(run − c*) + 1] for each
    READ, `run` READs after the last WRITE, and β·max(AP − d*, 0) in the last turn, with AP over the own length.
    BLEU goes from 0 to 1. Made for an advantage with return-to-go.

    The paper doesn't print α and β; the defaults of both and of the targets are those of its first code release.

    Attributes:
        alpha: α ≤ 0, of consecutive READs; 0 turns the term off.
        beta: β ≤ 0, of the average proportion; 0 turns the term off.
        cw_target: c*, READs at a stretch.
        ap_target: d*, a share of the source.
        smoothing: of BLEU: "add-one" as in the paper, or "method5" as in its code.
        brevity_power: 1 as in the paper, or 2, for its code applied the brevity penalty twice.

    Raises:
        ValueError: a coefficient that rewards delay, a target that is no share, or an unknown choice.
    """

    alpha: float = -0.015
    beta: float = -0.62
    cw_target: int = 2
    ap_target: float = 0.5
    smoothing: Smoothing = "add-one"
    brevity_power: BrevityPower = 1

    def __post_init__(self) -> None:
        if not (self.alpha <= 0 and self.beta <= 0):
            raise ValueError(f"alpha and beta must not be positive, got {self.alpha} and {self.beta}")
        if not 0 <= self.ap_target <= 1:
            raise ValueError(f"ap_target is a share of the source, from 0 to 1, got {self.ap_target}")
        for name, choices in (("smoothing", SMOOTHINGS), ("brevity_power", get_args(BrevityPower))):
            if getattr(self, name) not in choices:
                raise ValueError(
                    f"unknown {name} {getattr(self, name)!r}: choose one of {', '.join(map(str, choices))}"
                )

    def __call__(self, inputs: RewardInputs) -> Tensor:
        """Judge turn by turn: `[turns]`.

        Raises:
            ValueError: traces that don't have the turns of the batch.
        """
        pairs = zip(inputs.traces, inputs.references, strict=True)
        rewards = [reward for trace, reference in pairs for reward in self._turns(trace, reference)]
        if len(rewards) != inputs.segments.turns:
            raise ValueError(f"the traces have {len(rewards)} turns, the batch {inputs.segments.turns}")
        return inputs.quality.new_tensor(rewards)

    def _turns(self, trace: Trace, reference: str) -> list[float]:
        """The rewards of an episode's turns."""
        written = _units_by_turn(trace)
        quality = self._quality(written, split(reference, trace.unit))
        waiting = self._waiting([count for count, _ in trace.turns], written)
        rewards = [gain + cost for gain, cost in zip(quality, waiting, strict=True)]
        delays = trace.delays
        proportion = average_proportion(delays, len(trace.source), max(1, len(delays)))
        rewards[-1] += self.beta * max(proportion - self.ap_target, 0.0)
        return rewards

    def _quality(self, written: Sequence[Sequence[str]], reference: Sequence[str]) -> list[float]:
        """Eq. 5 and 6, one number per turn."""
        scores = prefix_bleu(written, reference, self.smoothing)
        gains = [after - before for before, after in pairwise((0.0, *scores))]
        length = sum(map(len, written))
        gains[-1] = scores[-1] * brevity_penalty(length, len(reference)) ** self.brevity_power
        return gains

    def _waiting(self, reads: Sequence[int], written: Sequence[Sequence[str]]) -> list[float]:
        """Eq. 8 and the first term of Eq. 9, one number per turn."""
        costs, run = [], 0
        for count, units in zip(reads, written, strict=True):
            runs = range(run + 1, run + count + 1)
            costs.append(self.alpha * sum((c > self.cw_target) - (c < self.cw_target) + 1 for c in runs))
            run = 0 if units else run + count
        return costs


def group_z(values: Tensor, group: Tensor, groups: int, *, sample: bool = False) -> Tensor:
    """Centre by the group's mean and divide by its standard deviation; 0 where that is 0.

    Args:
        values: `[episodes]`.
        group: `[episodes]` index of the group of each.
        groups: number of groups.
        sample: the deviation of a sample, over size − 1, instead of the num_starts's.
    """
    wide = values.double()  # float32 would round the mean of equal scores, and find a deviation where there is none
    sizes = add_by(torch.ones_like(wide), group, groups)
    centred = wide - (add_by(wide, group, groups) / sizes)[group]
    freedom = (sizes - 1).clamp(min=1) if sample else sizes
    std = (add_by(centred.square(), group, groups) / freedom).sqrt()[group]
    varied = std > 1e-8 * (1 + wide.abs())
    return torch.where(varied, centred / std.where(varied, 1.0), 0.0).to(values.dtype)


def _units_by_turn(trace: Trace) -> list[list[str]]:
    """The units that each turn completed."""
    # were one unit read in each turn, a delay would be the number of a turn
    counted = Trace(("",) * len(trace.turns), tuple((1, piece) for _, piece in trace.turns), trace.unit)
    written: list[list[str]] = [[] for _ in trace.turns]
    for unit, number in zip(counted.units, counted.delays, strict=True):
        written[number - 1].append(unit)
    return written


def _check_weights(quality: float, latency: float) -> None:
    if quality == latency == 0:
        raise ValueError("a reward without quality and without latency says nothing")
