"""What flows through everything: turns, episodes, and the packed batch of their action tokens."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, chain
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from seqpo.segments import Segments


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


@dataclass(frozen=True)
class Source:
    """A source sentence, as it is read: a word at a time, and in the end the mark of its end.

    Attributes:
        words: the tokens of each word.
        end: the tokens that mark the end, x_η = `</s>`; to read them is a READ of no word.

    Raises:
        ValueError: no word, or nothing to be read in one of them.
    """

    words: tuple[tuple[int, ...], ...]
    end: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.words or not all(self.words) or not self.end:
            raise ValueError(f"a source needs a word, and tokens in every word and in its end mark, got {self}")

    @cached_property
    def tokens(self) -> tuple[int, ...]:
        """All tokens, the end mark's included."""
        return (*chain.from_iterable(self.words), *self.end)

    @cached_property
    def bounds(self) -> tuple[int, ...]:
        """Number of tokens that have been read after each READ."""
        return tuple(accumulate(len(piece) for piece in (*self.words, self.end)))


class TokenEnv(Protocol):
    """A start for a language model: a source that is read chunk by chunk, or a single prompt."""

    def observe(self, answers: Sequence[tuple[int, ...]]) -> Observation | None:
        """Return what the policy is shown after the `answers` of the earlier turns; None when all is over."""
        ...


@dataclass(frozen=True, slots=True)
class Rewards:
    """How episodes were judged.

    Attributes:
        values: `[turns]` reward of each turn of the packed batch; a judgement of the whole episode stands at
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
