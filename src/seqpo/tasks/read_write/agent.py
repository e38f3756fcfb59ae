"""The READ/WRITE agent and its baseline (Gu et al. 2016, 1610.00388, §3.2 and §4.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from seqpo.sampling import Uniforms, choose
from seqpo.tasks.read_write.decoding import View

READ, WRITE = 0, 1


@dataclass(frozen=True)
class AgentConfig:
    """The shape of an agent.

    Attributes:
        hidden: width of its recurrent state.
    """

    hidden: int = 512

    def __post_init__(self) -> None:
        if self.hidden < 1:
            raise ValueError(f"hidden must be positive, got {self.hidden}")


class Agent(nn.Module):
    """A GRU over observations, with a softmax over READ and WRITE (Eq. 4).

    Args:
        observed: width of the observations.
        config: its shape.
    """

    def __init__(self, observed: int, config: AgentConfig) -> None:
        super().__init__()
        self.observed, self.config = observed, config
        self.recurrence = nn.GRU(observed, config.hidden, batch_first=True)
        self.head = nn.Linear(config.hidden, 2)

    def forward(self, observations: Tensor, memory: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Go on from `memory` `[B, hidden]` (zeros when None) over observations `[B, T, observed]`.

        Returns:
            `[B, T, 2]` logits of READ and WRITE, and `[B, hidden]` the memory after the last observation.
        """
        states, last = self.recurrence(observations, None if memory is None else memory[None])
        return self.head(states), last[0]


class BaselineNetwork(nn.Sequential):
    """b(o_t): observations `[n, observed]` to the return that is expected after them, `[n, 1]` (§4.3)."""

    def __init__(self, observed: int, hidden: int = 128) -> None:
        super().__init__(nn.Linear(observed, hidden), nn.Tanh(), nn.Linear(hidden, 1))


class AskAgent:
    """A decider that asks an agent.

    Args:
        agent: without gradient.
        slots: of the decoding.
        uniforms: numbers of each stream to sample at; None for the likelier action.
    """

    def __init__(self, agent: Agent, slots: int, uniforms: Sequence[Uniforms] | None = None) -> None:
        self._agent, self._uniforms = agent, uniforms
        self._memory = agent.head.weight.new_zeros(slots, agent.config.hidden)

    def __call__(self, view: View) -> Tensor:
        """Decide."""
        return self.choose(view)[0] == WRITE

    @torch.no_grad()
    def choose(self, view: View) -> tuple[Tensor, Tensor]:
        """Return the actions `[B]`, and their log-probs `[B]`."""
        memory = self._memory[view.slots].masked_fill(view.fresh[:, None], 0.0)
        # in float32, as they are kept
        logits, self._memory[view.slots] = self._agent(view.observation.float().to(memory)[:, None], memory)
        if self._uniforms is None:
            return choose(logits[:, 0], None)
        drawn = [self._uniforms[stream].next() for stream in view.streams]
        return choose(logits[:, 0], torch.tensor(drawn, dtype=torch.float64, device=logits.device))
