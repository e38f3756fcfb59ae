"""Three choices: baseline × scale × credit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

import torch
from torch import Tensor

from seqpo.advantages.groups import EPSILON, Groups, moments
from seqpo.advantages.inputs import NOTHING, AdvantageInputs, Need, Sum, alone
from seqpo.advantages.returns import bootstrapped, check_rewards, discounted, positions
from seqpo.segments import Level, Segments, add_by

Baseline = Literal["none", "group-mean", "leave-one-out", "length-weighted", "greedy", "value"]
Scale = Literal["none", "group-std", "batch-std", "whiten-units", "whiten-tokens", "informative"]
Credit = Literal["sequence", "return-to-go"]

_NEEDS: dict[Baseline, tuple[Need, ...]] = {"greedy": ("greedy",), "value": ("values",)}
_OF_THE_GROUP = ("group-mean", "leave-one-out", "length-weighted")


@dataclass(frozen=True)
class Comparison:
    """How much better a return is than a baseline.

    Returns are compared within groups: the episodes of one start, or, with return-to-go, the turns of the same
    index in them. A group whose returns are all the same, or a return alone in its group, has advantage zero from
    a baseline of the group, and nothing is ever divided by zero.

    Attributes:
        baseline: what is subtracted: nothing, the group's mean, that of its *other* members (RLOO), the mean
            weighed by the episodes' lengths (OPO), the greedy episode's return (ReMax), or a critic's value: of
            the episode's start, or of each turn with return-to-go. The latter's returns go on, where an episode was
            cut off, with the critic's value of what followed (`inputs.bootstrap`). Whole episodes are compared as
            they were played, under the same limit for all.
        scale: what the difference is divided by: nothing; the sample standard deviation of the returns of the
            groups; that of all returns of the optimizer step; or its own, after its mean over the step is taken
            away, counting each unit once or once for each of its tokens; or the share of the units whose group
            don't all have the same return.
        credit: the return of a turn: the whole episode's, or what is still to come.
        discount: γ per turn, of return-to-go.

    Raises:
        ValueError: an unknown choice, or choices without meaning together.
    """

    baseline: Baseline = "group-mean"
    scale: Scale = "none"
    credit: Credit = "sequence"
    discount: float = 1.0

    def __post_init__(self) -> None:
        for name, kind in (("baseline", Baseline), ("scale", Scale), ("credit", Credit)):
            if getattr(self, name) not in get_args(kind):
                choices = ", ".join(get_args(kind))
                raise ValueError(f"unknown {name} {getattr(self, name)!r}: choose one of {choices}")
        if self.baseline == "none" and self.scale in ("group-std", "batch-std"):
            raise ValueError("a deviation needs a baseline: returns that don't vary would be divided by almost nothing")
        if self.scale == "informative" and self.baseline not in _OF_THE_GROUP:
            raise ValueError("scale 'informative' makes up for groups without a difference: it needs their baseline")
        if self.credit == "sequence" and self.discount != 1.0:
            raise ValueError("discount belongs to credit 'return-to-go'; the whole episode has one return")
        if self.credit == "return-to-go" and self.baseline in ("length-weighted", "greedy"):
            raise ValueError(f"baseline {self.baseline!r} is one of whole episodes: credit must be 'sequence'")

    @property
    def needs(self) -> tuple[Need, ...]:
        """What must be given beside the rewards."""
        return _NEEDS.get(self.baseline, ())

    @property
    def level(self) -> Level:
        """The level at which advantages differ."""
        return "sequence" if self.credit == "sequence" else "turn"

    @property
    def value_level(self) -> Level:
        """A critic values what has a return."""
        return self.level

    def targets(self, rewards: Tensor, segments: Segments, inputs: AdvantageInputs) -> Tensor:
        """Return the returns `[units]`; see `seqpo.advantages.HasCriticTargets`."""
        returns, groups = self._returns(*check_rewards(rewards, segments), segments, inputs)
        values = inputs.require("values", returns.numel(), self._units)
        return torch.where(groups.scored, returns, torch.nan).to(values.dtype)

    def __call__(
        self, rewards: Tensor, segments: Segments, inputs: AdvantageInputs = NOTHING, all_sum: Sum = alone
    ) -> Tensor:
        """Return the advantage of each action token `[N]`; see `seqpo.advantages.Advantage`."""
        known, scored = check_rewards(rewards, segments)
        returns, groups = self._returns(known, scored, segments, inputs)
        expected = self._expected(returns, groups, segments, inputs)
        if self.baseline == "greedy":
            groups = replace(groups, scored=groups.scored & ~expected.isnan())
        centred = torch.where(groups.scored, returns - expected, 0)
        lengths = segments.lengths(self.level)
        scaled = torch.where(groups.scored, self._scaled(centred, returns, groups, lengths, all_sum), 0)
        return segments.spread(scaled, self.level).to(rewards.dtype)

    @property
    def _units(self) -> str:
        return "episodes" if self.level == "sequence" else "turns"

    def _returns(
        self, rewards: Tensor, scored: Tensor, segments: Segments, inputs: AdvantageInputs
    ) -> tuple[Tensor, Groups]:
        """`[units]` returns, and who is compared with whom."""
        if self.credit == "sequence":
            returns = add_by(rewards, segments.episode, segments.episodes)
            return returns, Groups(segments.group, segments.groups, scored)
        if self.baseline == "value":
            rewards = bootstrapped(rewards, segments, inputs.bootstrap, self.discount)
        returns = discounted(rewards, segments.episode, segments.episodes, self.discount)
        place = positions(segments.episode, segments.episodes)
        longest = int(place.max()) + 1
        groups = segments.group[segments.episode] * longest + place
        return returns, Groups(groups, segments.groups * longest, scored[segments.episode])

    def _expected(self, returns: Tensor, groups: Groups, segments: Segments, inputs: AdvantageInputs) -> Tensor:
        match self.baseline:
            case "none":
                return torch.zeros_like(returns)
            case "group-mean":
                return groups.mean(returns)
            case "leave-one-out":
                return groups.others(returns)
            case "length-weighted":
                return groups.mean(returns, segments.lengths("sequence"))
            case "greedy":
                return inputs.require("greedy", segments.groups, "groups").to(returns.dtype)[segments.group]
        return inputs.require("values", returns.numel(), self._units).to(returns.dtype)

    def _scaled(self, centred: Tensor, returns: Tensor, groups: Groups, lengths: Tensor, all_sum: Sum) -> Tensor:
        counted = groups.scored.to(centred.dtype)
        match self.scale:
            case "none":
                return centred
            case "group-std":
                return centred / (groups.std(returns) + EPSILON)
            case "batch-std":
                return centred / (moments(returns, counted, all_sum)[1] + EPSILON)
            case "informative":
                informs = counted * (groups.std(returns) > EPSILON) * (groups.sizes(returns) > 1)
                kept, all_units = all_sum(torch.stack([informs.sum(), counted.sum()]))
                makes_up: Tensor = all_units / kept.clamp(min=1)
                return centred * makes_up
        weights = counted if self.scale == "whiten-units" else counted * lengths
        mean, std = moments(centred, weights, all_sum)
        return (centred - mean) / (std + EPSILON)
