"""What every advantage is called with, and what some need beside the rewards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from torch import Tensor

from seqpo.segments import Level, Segments

Need = Literal["values", "greedy", "states", "starts"]
Sum = Callable[[Tensor], Tensor]
"""Sums a tensor over the processes of a distributed run."""


def alone(values: Tensor) -> Tensor:
    """Sum over the only process."""
    return values


@dataclass(frozen=True)
class AdvantageInputs:
    """What is known of a batch beside its rewards; an advantage's `needs` say what it must be given.

    Attributes:
        values: a critic's predictions from before its update: of each episode's start `[episodes]`, of each turn
            `[turns]` or of each action token `[N]`, as the advantage says.
        bootstrap: `[episodes]` the critic's value of what followed each episode that was cut off, 0 for those that
            came to their own end; None where none was cut off.
        greedy: `[groups]` return of the greedy episode from each start; NaN where it could not be scored, which
            leaves the group without an advantage.
        states: `[turns]` index of what each turn of a group was chosen in; the same for the same state.
        starts: `[groups]` number of each start among all `num_starts` starts of the task.
        num_starts: number of starts of the task.
    """

    values: Tensor | None = None
    bootstrap: Tensor | None = None
    greedy: Tensor | None = None
    states: Tensor | None = None
    starts: Tensor | None = None
    num_starts: int = 0

    def require(self, need: Need, size: int, of: str) -> Tensor:
        """Return what is needed, one number for each of `size` things.

        Raises:
            ValueError: it was not given, or in another shape.
        """
        found: Tensor | None = getattr(self, need)
        if found is None:
            raise ValueError(f"this advantage needs inputs.{need}, one number for each of {size} {of}")
        if found.shape != (size,):
            raise ValueError(f"inputs.{need} has shape {tuple(found.shape)}, but there are {size} {of}")
        return found


NOTHING = AdvantageInputs()
"""Nothing but the rewards."""


class Advantage(Protocol):
    """Rewards of turns to advantages of action tokens.

    Anything of this form can be used in a recipe, by `module:name`.
    """

    @property
    def needs(self) -> tuple[Need, ...]:
        """What must be given beside the rewards."""
        ...

    @property
    def level(self) -> Level:
        """The finest level at which the advantages differ."""
        ...

    def __call__(
        self,
        rewards: Tensor,
        segments: Segments,
        inputs: AdvantageInputs = NOTHING,
        all_sum: Sum = alone,
    ) -> Tensor:
        """Return the advantage of each action token.

        Args:
            rewards: `[turns]`; NaN where an episode could not be scored.
            segments: turns, episodes and groups; every group must be whole.
            inputs: what is known beside the rewards.
            all_sum: sums a tensor over the processes of a distributed run.

        Returns:
            `[N]`; 0 for the tokens of an episode that could not be scored.

        Raises:
            ValueError: tensors of other shapes, or something needed that was not given.
        """
        ...


@runtime_checkable
class HasCriticTargets(Protocol):
    """An advantage over a critic's values, which says what the critic should learn."""

    @property
    def value_level(self) -> Level:
        """What the critic values: each action token, each turn, or the start of each episode ("sequence")."""
        ...

    def targets(self, rewards: Tensor, segments: Segments, inputs: AdvantageInputs) -> Tensor:
        """Return what the critic should have said.

        Args:
            rewards: `[turns]`; NaN where an episode could not be scored.
            segments: turns, episodes and groups.
            inputs: what the critic said: `values`, at `value_level`, and `bootstrap`.

        Returns:
            `[units]`; NaN in an episode that could not be scored.

        Raises:
            ValueError: tensors of other shapes, or no values.
        """
        ...


@runtime_checkable
class HasState(Protocol):
    """An advantage that learns from batch to batch, and whose memory belongs in a checkpoint."""

    def state_dict(self) -> dict[str, Tensor]:
        """Return what it has learnt."""
        ...

    def load_state_dict(self, memory: Mapping[str, Tensor]) -> None:
        """Go on from what `memory` returned."""
        ...
