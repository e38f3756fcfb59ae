"""Small networks for control: a policy, from features to one of a few actions, and a critic, from them to a value."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn

from seqpo.policies.models import read_weights
from seqpo.sampling import Uniforms, choose
from seqpo.segments import Level
from seqpo.types import Batch, Episode, Outcome, Turn

Features = NDArray[np.float32]


class Env(Protocol):
    """One episode under way in an environment."""

    @property
    def features(self) -> Features:
        """What the policy sees now."""
        ...

    def act(self, action: int) -> Outcome:
        """Take an action; return its reward, and whether the episode has ended or is cut off."""
        ...


class EnvStart(Protocol):
    """A start of episodes in an environment."""

    def begin(self) -> Env:
        """Begin an episode; each begins alike."""
        ...


def mlp(inputs: int, actions: int, hidden: int = 64) -> nn.Module:
    """Make a network of two hidden layers."""
    return nn.Sequential(
        nn.Linear(inputs, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh(), nn.Linear(hidden, actions)
    )


class NetworkPolicy:
    """Samples actions from a softmax over a network's outputs, all episodes of a rollout in step.

    Args:
        network: `[n, features]` to `[n, actions]` logits.
    """

    def __init__(self, network: nn.Module) -> None:
        self.module = network
        self.version = 0
        self._actor = copy.deepcopy(network).requires_grad_(False)

    def rollout(
        self, starts: Sequence[EnvStart], group_size: int, *, seed: int | None, first: int = 0
    ) -> list[Episode]:
        """Sample `group_size` episodes from each start; greedily where `seed` is None."""
        count = len(starts) * group_size
        envs = [start.begin() for start in starts for _ in range(group_size)]
        uniforms = [] if seed is None else [Uniforms(seed, first * group_size + number) for number in range(count)]
        turns: list[list[Turn]] = [[] for _ in range(count)]
        finals: list[Features | None] = [None] * count
        going = list(range(count))
        while going:
            seen = np.stack([envs[i].features for i in going])
            logits = _outputs(self._actor, seen)
            drawn = [uniforms[i].next() for i in going] if uniforms else [math.nan] * len(going)
            actions, logprobs = choose(logits, torch.tensor(drawn, dtype=torch.float64, device=logits.device))
            still = []
            for row, (i, action, logprob) in enumerate(zip(going, actions.tolist(), logprobs.tolist(), strict=True)):
                reward, terminated, truncated = envs[i].act(action)
                turns[i].append(Turn(seen[row], (action,), (logprob,), reward))
                if truncated and not terminated:
                    finals[i] = np.array(envs[i].features)
                elif not terminated:
                    still.append(i)
            going = still
        return [
            Episode(first + i // group_size, tuple(taken), self.version, final is not None, final)
            for i, (taken, final) in enumerate(zip(turns, finals, strict=True))
        ]

    def logprobs(self, batch: Batch) -> Tensor:
        """Score the actions of a batch: `[N]`, differentiable."""
        seen = np.stack([turn.observation for episode in batch.episodes for turn in episode.turns])
        logits = _outputs(self.module, seen)
        return torch.log_softmax(logits, dim=-1).gather(1, batch.actions[:, None]).squeeze(1)

    def num_tokens(self, episodes: Sequence[Episode]) -> list[int]:
        """Turns of each episode: what micro-batches are balanced by."""
        return [len(episode.turns) for episode in episodes]

    def update_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Act by these weights from now on."""
        self._actor.load_state_dict(weights)
        self._actor.to(next(iter(weights.values())).device)
        self.version += 1

    def save(self, folder: Path, weights: Mapping[str, Tensor]) -> None:
        """Write the weights as safetensors."""
        save_file({name: value.contiguous() for name, value in weights.items()}, folder / "model.safetensors")

    def load(self, folder: Path) -> Mapping[str, Tensor]:
        """Read the weights that `save` wrote.

        Raises:
            ValueError: there are none, or they can't be read.
        """
        return read_weights(folder)


class NetworkCritic:
    """Values what a network policy saw, at every turn or at the start of the episode.

    Args:
        network: `[n, features]` to `[n, 1]`.
        level: "turn", or "sequence" for the start.

    Raises:
        ValueError: another level.
    """

    def __init__(self, network: nn.Module, level: Literal["turn", "sequence"] = "turn") -> None:
        if level not in ("turn", "sequence"):
            raise ValueError(f"unknown level {level!r}: this critic values a 'turn', or the start of a 'sequence'")
        self.module = network
        self.level: Level = level

    def predict(self, batch: Batch) -> Tensor:
        """Value the turns, or the starts, of a batch: `[units]`, differentiable."""
        seen = [episode.turns if self.level == "turn" else episode.turns[:1] for episode in batch.episodes]
        return _outputs(self.module, np.stack([turn.observation for turns in seen for turn in turns])).squeeze(1)

    def predict_final(self, batch: Batch) -> Tensor:
        """Value what followed each truncated episode: `[episodes]`; what it says of the others means nothing."""
        # a row for each of them: sharded weights are gathered by every process, whatever was truncated there
        seen = [e.final if e.truncated else e.turns[-1].observation for e in batch.episodes]
        return _outputs(self.module, np.stack(seen)).squeeze(1)


def _outputs(network: nn.Module, seen: Features) -> Tensor:
    weight = next(network.parameters())
    outputs: Tensor = network(torch.from_numpy(seen).to(weight.device, weight.dtype))
    return outputs
