"""Three choices: baseline × scale × credit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

import torch
from torch import Tensor

from seqpo.advantages.given import NOTHING, Given, Need, Sum, alone
from seqpo.advantages.peers import EPSILON, Peers, moments
from seqpo.advantages.returns import check_rewards, discounted, positions
from seqpo.segments import Level, Segments, add_by

Baseline = Literal["none", "group-mean", "leave-one-out", "length-weighted", "greedy", "value"]
Scale = Literal["none", "group-std", "batch-std", "whiten-units", "whiten-tokens", "informative"]
Credit = Literal["episode", "return-to-go"]

_NEEDS: dict[Baseline, tuple[Need, ...]] = {"greedy": ("greedy",), "value": ("values",)}
_OF_THE_GROUP = ("group-mean", "leave-one-out", "length-weighted")


@dataclass(frozen=True)
class Comparison:
    """How much better a return is than a baseline.

    Returns are compared among *peers*: the episodes of a group, or, with return-to-go, the turns of the same
    index in the episodes of a group. Peers that all have the same return, or a return without peers, get
    advantage zero from a baseline of the group, and nothing is ever divided by zero.

    Attributes:
        baseline: what is subtracted: nothing, the mean of the peers, that of the *other* peers (RLOO), the mean
            weighed by the episodes' lengths (OPO), the greedy episode's return (ReMax), or a critic's value: of
            the episode's start, or of each turn with return-to-go.
        scale: what the difference is divided by: nothing; the sample standard deviation of the returns of the
            peers; that of all returns of the optimizer step; or its own, after its mean over the step is taken
            away, counting each unit once or once for each of its tokens; or the share of the units whose peers
            don't all have the same return.
        credit: the return of a turn: the whole episode's, or what is still to come.
        discount: γ per turn, of return-to-go.

    Raises:
        ValueError: an unknown choice, or choices without meaning together.
    """

    baseline: Baseline = "group-mean"
    scale: Scale = "none"
    credit: Credit = "episode"
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
        if self.credit == "episode" and self.discount != 1.0:
            raise ValueError("discount belongs to credit 'return-to-go'; the whole episode has one return")
        if self.credit == "return-to-go" and self.baseline in ("length-weighted", "greedy"):
            raise ValueError(f"baseline {self.baseline!r} is one of whole episodes: credit must be 'episode'")

    @property
    def needs(self) -> tuple[Need, ...]:
        """What must be given beside the rewards."""
        return _NEEDS.get(self.baseline, ())

    @property
    def level(self) -> Level:
        """The level at which advantages differ."""
        return "sequence" if self.credit == "episode" else "turn"

    @property
    def value_level(self) -> Level:
        """A critic values what has a return."""
        return self.level

    def targets(self, rewards: Tensor, segments: Segments, values: Tensor) -> Tensor:
        """Return the returns `[units]`; see `seqpo.advantages.Teaches`."""
        returns, peers = self._returns(*check_rewards(rewards, segments), segments)
        return torch.where(peers.judged, returns, torch.nan).to(values.dtype)

    def __call__(self, rewards: Tensor, segments: Segments, given: Given = NOTHING, all_sum: Sum = alone) -> Tensor:
        """Return the advantage of each action token `[N]`; see `seqpo.advantages.Advantage`."""
        known, judged = check_rewards(rewards, segments)
        returns, peers = self._returns(known, judged, segments)
        expected = self._expected(returns, peers, segments, given)
        if self.baseline == "greedy":
            peers = replace(peers, judged=peers.judged & ~expected.isnan())
        centred = torch.where(peers.judged, returns - expected, 0)
        lengths = segments.lengths(self.level)
        scaled = torch.where(peers.judged, self._scaled(centred, returns, peers, lengths, all_sum), 0)
        return segments.spread(scaled, self.level).to(rewards.dtype)

    def _returns(self, rewards: Tensor, judged: Tensor, segments: Segments) -> tuple[Tensor, Peers]:
        """`[units]` returns, and who is compared with whom."""
        if self.credit == "episode":
            returns = add_by(rewards, segments.episode, segments.episodes)
            return returns, Peers(segments.group, segments.groups, judged)
        returns = discounted(rewards, segments.episode, segments.episodes, self.discount)
        place = positions(segments.episode, segments.episodes)
        longest = int(place.max()) + 1
        peers = segments.group[segments.episode] * longest + place
        return returns, Peers(peers, segments.groups * longest, judged[segments.episode])

    def _expected(self, returns: Tensor, peers: Peers, segments: Segments, given: Given) -> Tensor:
        match self.baseline:
            case "none":
                return torch.zeros_like(returns)
            case "group-mean":
                return peers.mean(returns)
            case "leave-one-out":
                return peers.others(returns)
            case "length-weighted":
                return peers.mean(returns, segments.lengths("sequence"))
            case "greedy":
                return given.take("greedy", segments.groups, "groups").to(returns.dtype)[segments.group]
        of = "episodes" if self.level == "sequence" else "turns"
        return given.take("values", returns.numel(), of).to(returns.dtype)

    def _scaled(self, centred: Tensor, returns: Tensor, peers: Peers, lengths: Tensor, all_sum: Sum) -> Tensor:
        counted = peers.judged.to(centred.dtype)
        match self.scale:
            case "none":
                return centred
            case "group-std":
                return centred / (peers.std(returns) + EPSILON)
            case "batch-std":
                return centred / (moments(returns, counted, all_sum)[1] + EPSILON)
            case "informative":
                informs = counted * (peers.std(returns) > EPSILON) * (peers.sizes(returns) > 1)
                kept, all_units = all_sum(torch.stack([informs.sum(), counted.sum()]))
                makes_up: Tensor = all_units / kept.clamp(min=1)
                return centred * makes_up
        weights = counted if self.scale == "whiten-units" else counted * lengths
        mean, std = moments(centred, weights, all_sum)
        return (centred - mean) / (std + EPSILON)
