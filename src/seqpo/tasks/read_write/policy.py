"""The READ/WRITE agent as a policy for the training loop: a turn is a decision, the translator is its decoding."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from seqpo.sampling import Uniforms
from seqpo.tasks.read_write.agent import WRITE, Agent, AskAgent
from seqpo.tasks.read_write.decoding import Decider, Decoding, Step, Steps, View, decode
from seqpo.tasks.read_write.files import load_agent, save_agent
from seqpo.tasks.read_write.source import Source
from seqpo.types import Batch, Episode, Turn


class Start(Protocol):
    """A start of episodes: a source sentence."""

    @property
    def source(self) -> Source:
        """What is read."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Glimpse:
    """What the agent observes before a decision.

    Attributes:
        features: `[2H+E]` context, state and embedded candidate.
        token: the candidate, which WRITE writes and READ rejects.
        forced: whether there was nothing left to read, so that WRITE was no choice.
    """

    features: NDArray[np.float32]
    token: int
    forced: bool


def steps(episode: Episode) -> Steps:
    """Return the decisions of an episode."""
    return tuple(Step(turn.action == (WRITE,), turn.observation.token) for turn in episode.turns)


def observations(batch: Batch) -> Tensor:
    """Return what was observed before each decision of a batch, for a critic: `[turns, 2H+E]`."""
    features = [turn.observation.features for episode in batch.episodes for turn in episode.turns]
    return torch.from_numpy(np.stack(features)).to(batch.actions.device)


class ReadWritePolicy:
    """Samples READ or WRITE, and scores these decisions; the translator stays as it is.

    Once all has been read, decisions are forced, and forced ones come last: they have log-prob 0 and no gradient.

    Args:
        decoding: the translator, which is frozen.
        agent: is trained.
    """

    def __init__(self, decoding: Decoding, agent: Agent) -> None:
        decoding.translator.requires_grad_(False)
        self.decoding = decoding
        self.module: nn.Module = agent
        self.version = 0
        self._agent = agent  # as it was given, however the module is wrapped for training
        self._actor = copy.deepcopy(agent).requires_grad_(False).to(decoding.translator.bias.device)

    def rollout(self, starts: Sequence[Start], group_size: int, *, seed: int | None, first: int = 0) -> list[Episode]:
        """Sample `group_size` episodes from each start; the likelier actions where `seed` is None."""
        sources = [start.source for start in starts for _ in range(group_size)]
        uniforms = None
        if seed is not None:
            uniforms = [Uniforms(seed, first * group_size + number) for number in range(len(sources))]
        asked = AskAgent(self._actor, self.decoding.slots, uniforms)
        taken = self._decided(sources, asked.choose)
        return [Episode(first + i // group_size, some, self.version) for i, some in enumerate(taken)]

    def demonstrate(self, starts: Sequence[Start], decider: Decider) -> list[Episode]:
        """Record what another decider does, an episode from each start; log-probs are 0."""

        def choose(view: View) -> tuple[Tensor, Tensor]:
            wrote = decider(view)
            return wrote.long(), torch.zeros_like(wrote, dtype=torch.float32)

        taken = self._decided([start.source for start in starts], choose)
        return [Episode(number, some, self.version) for number, some in enumerate(taken)]

    def _decided(
        self, sources: Sequence[Source], choose: Callable[[View], tuple[Tensor, Tensor]]
    ) -> list[tuple[Turn, ...]]:
        """Record the decisions on each source, given a function to actions `[B]` and their log-probs `[B]`."""
        seen: list[tuple[list[int], Tensor, Tensor, Tensor]] = []

        def decide(view: View) -> Tensor:
            actions, logprobs = choose(view)
            logprobs = logprobs.masked_fill(view.exhausted, 0.0)
            seen.append((view.streams, view.observation.float(), logprobs, view.exhausted))
            return actions == WRITE

        decoded = [iter(taken) for taken in decode(self.decoding, sources, decide)]
        turns: list[list[Turn]] = [[] for _ in sources]
        for streams, features, logprobs, forced in seen:
            rows = zip(streams, features.cpu().numpy(), logprobs.tolist(), forced.tolist(), strict=True)
            for stream, row, logprob, no_choice in rows:
                step = next(decoded[stream])
                turns[stream].append(Turn(Glimpse(row, step.token, no_choice), (int(step.wrote),), (logprob,)))
        return [tuple(taken) for taken in turns]

    def logprobs(self, batch: Batch) -> Tensor:
        """Score the decisions of a batch: `[N]`, differentiable in the agent's weights."""
        weight = next(self.module.parameters())
        glimpses = [[turn.observation for turn in episode.turns] for episode in batch.episodes]
        free = [[glimpse.features for glimpse in some if not glimpse.forced] for some in glimpses]
        padded = pad_sequence([torch.from_numpy(np.stack(some)) for some in free], batch_first=True)
        lengths = torch.tensor([len(some) for some in free])
        inside = (torch.arange(padded.shape[1]) < lengths[:, None]).to(weight.device)
        chosen = torch.tensor([not glimpse.forced for some in glimpses for glimpse in some]).to(weight.device)
        logits: Tensor = self.module(padded.to(weight.device, weight.dtype))[0][inside]
        scored = logits.log_softmax(dim=-1).gather(1, batch.actions[chosen][:, None]).squeeze(1)
        return scored.new_zeros(len(chosen)).masked_scatter(chosen, scored)

    def num_tokens(self, episodes: Sequence[Episode]) -> list[int]:
        """Decisions of each episode: what micro-batches are balanced by."""
        return [len(episode.turns) for episode in episodes]

    def update_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Decide by these weights from now on."""
        self._actor.load_state_dict(weights)
        self._actor.to(self.decoding.translator.bias.device)
        self.version += 1

    def save(self, folder: Path, weights: Mapping[str, Tensor]) -> None:
        """Write the agent as a folder that `load_agent` can read."""
        save_agent(self._agent, folder, weights)

    def load(self, folder: Path) -> Mapping[str, Tensor]:
        """Read the agent that `save` wrote.

        Raises:
            ValueError: there is none.
        """
        return load_agent(folder).state_dict()
