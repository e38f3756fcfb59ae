"""Gymnasium environments with discrete actions as a task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqpo.tasks.control.bandit import paid
from seqpo.types import Batch, Outcome, Rewards


class GymEnv:
    """One episode of an environment."""

    def __init__(self, env: Any, seed: int) -> None:
        self._env = env
        self._seen, _ = env.reset(seed=seed)

    @property
    def features(self) -> NDArray[np.float32]:
        """The last observation, flat."""
        return np.asarray(self._seen, dtype=np.float32).reshape(-1)

    def act(self, action: int) -> Outcome:
        """Step the environment."""
        self._seen, reward, terminated, truncated, _ = self._env.step(action)
        return Outcome(float(reward), bool(terminated), bool(truncated))


@dataclass(frozen=True)
class GymStart:
    """An initial state of an environment, given by the seed of its reset."""

    env: str
    seed: int

    def begin(self) -> GymEnv:
        """Begin an episode in this state.

        Raises:
            ModuleNotFoundError: gymnasium isn't installed.
        """
        try:
            import gymnasium
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                "control tasks need gymnasium: pip install 'seqpo[control]'", name="gymnasium"
            ) from error
        return GymEnv(gymnasium.make(self.env), self.seed)


@dataclass(frozen=True)
class GymTask:
    """An environment, begun in a new state for every start; the episodes of a group share it.

    Attributes:
        env: Gymnasium id, such as "CartPole-v1".
        seed: of the initial states.
    """

    env: str
    seed: int = 0

    def starts(self, count: int, *, step: int) -> list[GymStart]:
        """Return the initial states of a step."""
        return [GymStart(self.env, self.seed + step * count + number) for number in range(count)]

    def score(self, starts: Sequence[GymStart], batch: Batch) -> Rewards:
        """Reward every turn by what the environment paid."""
        return paid(batch)
