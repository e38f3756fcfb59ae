"""What flows through everything (turns, episodes, the packed batch of their action tokens), and who makes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from seqpo.segments import Level, Segments


@dataclass(frozen=True, slots=True)
class Turn:
    """One observation and the action that answered it.

    Attributes:
        observation: what the policy was given: an `Observation` for a language model, features for a network.
        action: ids that the policy chose, its end-of-turn mark included; never empty, for waiting is a choice.
        logprobs: behaviour log-prob of each id of the action, recorded when it was sampled.
        reward: what the environment paid for the action, where it pays turn by turn.
    """

    observation: Any
    action: tuple[int, ...]
    logprobs: tuple[float, ...]
    reward: float = 0.0

    def __post_init__(self) -> None:
        if not self.action:
            raise ValueError("a turn without an action token: even a wait is a choice, and needs its token")
        if len(self.action) != len(self.logprobs):
            raise ValueError(f"{len(self.action)} action tokens with {len(self.logprobs)} behaviour log-probs")


@dataclass(frozen=True, slots=True)
class Episode:
    """One whole trajectory.

    Attributes:
        start: index, among the starts that a rollout was given, of the one that this episode came from;
            episodes of one start form a group.
        turns: what was observed and chosen, in order.
        version: the policy version that sampled it.
        truncated: whether it was cut off, by a time limit say, where more would have followed.
        final: the observation that followed the last action, of a truncated episode: what a critic values in place
            of what was cut off.
    """

    start: int
    turns: tuple[Turn, ...]
    version: int = 0
    truncated: bool = False
    final: Any = None

    def __post_init__(self) -> None:
        if not self.turns:
            raise ValueError("an episode without a turn: nothing was chosen, so nothing can be learnt")
        if self.truncated and self.final is None:
            raise ValueError("a truncated episode needs its final observation, by which to value what was cut off")

    @property
    def actions(self) -> int:
        """Number of action tokens."""
        return sum(len(turn.action) for turn in self.turns)


class Outcome(NamedTuple):
    """What an environment answers to an action.

    Attributes:
        reward: paid for the action.
        terminated: whether the episode has come to its own end, after which nothing more can be had.
        truncated: whether it is cut off, by a time limit say, where more would have followed.
    """

    reward: float
    terminated: bool
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class Observation:
    """What a language model is shown before it answers.

    Attributes:
        tokens: the token ids, at least one.
        reset_context: whether they stand for the whole context, so that all earlier turns are forgotten.
        quota: number of units that a fixed schedule makes the model write; None leaves it to the policy.
    """

    tokens: tuple[int, ...]
    reset_context: bool = False
    quota: int | None = None


@dataclass(frozen=True, slots=True)
class Rewards:
    """How episodes were scored.

    Attributes:
        values: `[turns]` reward of each turn of the packed batch; a score of the whole episode stands at
            its last turn.
        parts: what the rewards were made of, for the log: a number per episode under each name.
    """

    values: Tensor
    parts: dict[str, Tensor]

    @staticmethod
    def at_end(denominators: Tensor, segments: Segments, parts: dict[str, Tensor]) -> Rewards:
        """Put one reward per episode `[episodes]` at the last turn of each."""
        counts = segments.count_per_episode("turn")
        values = denominators.new_zeros(segments.turns).index_put((counts.cumsum(0) - 1,), denominators)
        return Rewards(values, parts)


@dataclass(frozen=True)
class Batch:
    """Episodes packed end to end.

    Attributes:
        episodes: the episodes, in packing order.
        actions: `[N]` the chosen ids.
        behaviour: `[N]` their behaviour log-probs.
        segments: which turn, episode and group each token belongs to.
    """

    episodes: tuple[Episode, ...]
    actions: Tensor
    behaviour: Tensor
    segments: Segments

    def token_index(self, chosen: Sequence[int]) -> Tensor:
        """Positions, among this batch's tokens, of the tokens of the chosen episodes, in their order."""
        lengths = torch.tensor([episode.actions for episode in self.episodes])
        starts = lengths.cumsum(0) - lengths
        pieces = [torch.arange(int(lengths[i])) + starts[i] for i in chosen]
        return torch.cat(pieces).to(self.actions.device)


def pack(
    episodes: Iterable[Episode], *, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
) -> Batch:
    """Lay the action tokens of episodes end to end, without padding.

    Raises:
        ValueError: there is no episode.
    """
    chosen = tuple(episodes)
    if not chosen:
        raise ValueError("cannot pack a batch without episodes")
    turns = [turn for episode in chosen for turn in episode.turns]
    groups: dict[int, int] = {}
    group = [groups.setdefault(episode.start, len(groups)) for episode in chosen]
    segments = Segments(
        turn=_owners([len(turn.action) for turn in turns]).to(device),
        episode=_owners([len(episode.turns) for episode in chosen]).to(device),
        group=torch.tensor(group, device=device),
        groups=len(groups),
    )
    return Batch(
        episodes=chosen,
        actions=torch.tensor([token for turn in turns for token in turn.action], device=device),
        behaviour=torch.tensor([p for turn in turns for p in turn.logprobs], device=device, dtype=dtype),
        segments=segments,
    )


def _owners(counts: list[int]) -> Tensor:
    return torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))


class Scorer(Protocol):
    """A policy whose actions have differentiable log-probs: all that learning from demonstrations needs."""

    module: nn.Module

    def logprobs(self, batch: Batch) -> Tensor:
        """Score the action tokens of a batch: `[N]`."""
        ...

    def num_tokens(self, episodes: Sequence[Episode]) -> list[int]:
        """What a forward pass costs for each episode, in tokens."""
        ...

    def save(self, folder: Path, weights: Mapping[str, Tensor]) -> None:
        """Write a folder that holds these weights, named as in the module's state, and all that `load` needs."""
        ...

    def load(self, folder: Path) -> Mapping[str, Tensor]:
        """Read the weights that `save` wrote, by the names of the module's state, in the precision they were saved in.

        Raises:
            ValueError: none that this policy could use.
        """
        ...


class Policy(Scorer, Protocol):
    """A policy that can be trained by its own episodes: it samples them, and scores them."""

    def rollout(self, starts: Sequence[Any], group_size: int, *, seed: int | None, first: int = 0) -> list[Episode]:
        """Sample a group of episodes from each start, numbered from `first`; greedily where `seed` is None."""
        ...

    def update_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Sample with these weights from now on."""
        ...


class Critic(Protocol):
    """Predicts what is still to come."""

    module: nn.Module

    @property
    def level(self) -> Level:
        """What it values: each action token, each turn, or the start of each episode ("sequence").

        A value may depend on all that lies before its unit, and on nothing of the unit itself.
        """
        ...

    def predict(self, batch: Batch) -> Tensor:
        """Return `[units]` values, or their logits where it learns by cross-entropy; differentiable."""
        ...


@runtime_checkable
class HasFinalValues(Protocol):
    """A critic that can also value what followed the last action of an episode that was cut off."""

    def predict_final(self, batch: Batch) -> Tensor:
        """Return `[episodes]` values, or logits like those of `predict`, of `Episode.final`.

        Asked only where an episode of any process was truncated. What it says of the other episodes is not used.
        """
        ...


class Task(Protocol):
    """Where episodes start, and how they are scored."""

    def starts(self, count: int, *, step: int) -> Sequence[Any]:
        """Return the starts of a step; a function of the step alone."""
        ...

    def score(self, starts: Sequence[Any], batch: Batch) -> Rewards:
        """Score a batch whose groups come from the starts, in order."""
        ...


class Demonstrates(Protocol):
    """A task that can show how it is done."""

    def demonstrations(self, count: int, *, step: int) -> list[Episode]:
        """Return the episodes of a step; a function of the step alone."""
        ...


@runtime_checkable
class HasStates(Protocol):
    """A task that knows when two turns were chosen in the same state."""

    def states(self, starts: Sequence[Any], batch: Batch) -> Tensor:
        """Return `[turns]` indices: the same for the same state of the same group."""
        ...


@runtime_checkable
class HasStartIds(Protocol):
    """A task whose starts come again, and are known by a number."""

    @property
    def num_starts(self) -> int:
        """Number of all starts."""
        ...

    def start_ids(self, starts: Sequence[Any]) -> Tensor:
        """Return `[starts]` their numbers."""
        ...


class TokenEnv(Protocol):
    """A start for a language model: a source that is read chunk by chunk, or a single prompt."""

    def observe(self, answers: Sequence[tuple[int, ...]]) -> Observation | None:
        """Return what the policy is shown after the `answers` of the earlier turns; None when all is over."""
        ...


DevEvaluation = Callable[[Mapping[str, Tensor]], dict[str, float]]
"""Measures the policy with the given weights, for the learning curve."""
