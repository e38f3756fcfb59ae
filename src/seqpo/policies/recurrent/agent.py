"""The READ/WRITE agent and its baseline (Gu et al. 2016, 1610.00388, §3.2 and §4.3), and the agent as a folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from seqpo.policies.recurrent.streams import View
from seqpo.records import RecordError, decode
from seqpo.sessions.sampling import Uniforms, choose

READ, WRITE = 0, 1

_CONFIG, _WEIGHTS = "config.json", "model.safetensors"


class AgentError(ValueError):
    """A folder that holds no usable agent; the message names the file and a remedy."""


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
        slots: of the environment.
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


@dataclass(frozen=True)
class _Saved:
    """What `config.json` holds."""

    kind: Literal["read-write-agent"]
    observed: int
    shape: AgentConfig


def save_agent(agent: Agent, folder: Path, weights: Mapping[str, Tensor]) -> None:
    """Write an agent's shape and these weights, by the names that its state has."""
    saved = _Saved("read-write-agent", agent.observed, agent.config)
    (folder / _CONFIG).write_text(json.dumps(asdict(saved), indent=1), encoding="utf-8")
    save_file({name: value.contiguous() for name, value in weights.items()}, folder / _WEIGHTS)


def load_agent(folder: str | Path) -> Agent:
    """Load an agent, in the precision that it was saved in.

    Raises:
        AgentError: nothing there, another kind of model, or a file that is torn.
    """
    config, weights = Path(folder, _CONFIG), Path(folder, _WEIGHTS)
    try:
        saved = decode(_Saved, json.loads(config.read_text(encoding="utf-8")), name="it")
        state = load_file(weights)
    except FileNotFoundError as error:
        lost = error.filename or weights  # safetensors tells no name
        raise AgentError(f"{lost}: no such file; give a checkpoint of a READ/WRITE agent") from None
    except RecordError as error:
        raise AgentError(f"{config}: not of a READ/WRITE agent: {error}; give a checkpoint of one") from None
    except (ValueError, OSError, SafetensorError) as error:
        raise AgentError(f"{folder}: unreadable ({error}); take an earlier checkpoint") from error
    agent = Agent(saved.observed, saved.shape)
    try:
        agent.to(state["head.weight"].dtype).load_state_dict(state)
    except (KeyError, RuntimeError) as error:
        raise AgentError(f"{weights}: not the weights of what {config} describes ({error})") from error
    return agent
