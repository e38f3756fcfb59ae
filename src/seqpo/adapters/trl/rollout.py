"""TRL's `rollout_func`, and reward functions, made of seqpo's engine and tasks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from transformers import PreTrainedModel

from seqpo.adapters.trl.options import DECIDED_BY_ROLLOUT
from seqpo.records import refuse_changed
from seqpo.segments import add_by
from seqpo.sessions import Engine, play
from seqpo.training.world import full_weights
from seqpo.types import Batch, Episode, Rewards, TokenEnv, Turn, pack


class Rollout:
    """TRL's `rollout_func`: multi-turn episodes of seqpo's engine, sampled with the trainer's current weights.

    Each prompt becomes an environment, which shows observations and is answered turn by turn. The first observation is
    TRL's prompt; the rest of the episode, observations and actions, is its completion, in which `env_mask` marks
    the actions. Reward functions get each `Episode` as `episode`. The engine's log-probs are the behaviour's
    unless TRL scores the completions itself, because more than one optimizer step is made of a generation.

    Args:
        start: makes the environment of a prompt.
        stop: id of the token that ends a turn.
        limit: most tokens of a turn; TRL's `max_completion_length` is not looked at.
        slots: streams that are sampled at a time.
        dtype: of the engine's weights; the model's own when None.
    """

    def __init__(
        self,
        start: Callable[[Any], TokenEnv],
        *,
        stop: int,
        limit: int = 32,
        slots: int = 64,
        dtype: torch.dtype | None = None,
    ) -> None:
        self.start = start
        self.stop = stop
        self.limit = limit
        self.slots = slots
        self.dtype = dtype
        self._engine: Engine | None = None

    def __call__(self, prompts: list[Any], trainer: Any) -> dict[str, list[Any]]:
        """Play an episode for each prompt.

        Raises:
            ValueError: a group that is shared by processes, an option that would have no effect, a model that is
                wrapped in an adapter, or an environment that resets its context.
        """
        size = trainer.num_generations if trainer.model.training else trainer.num_generations_eval
        if len(prompts) % size:
            raise ValueError(
                f"a process generates {len(prompts)} episodes, which are not whole groups of {size}: choose its "
                "batch size × steps_per_generation as a multiple of the number of generations"
            )
        engine = self._current_engine(trainer)
        seed = int(torch.randint(2**62, ()))  # the generator's state is in TRL's checkpoints
        first = trainer.accelerator.process_index * len(prompts)
        envs = [self.start(prompt) for prompt in prompts]
        played = play(engine, envs, limit=self.limit, seed=seed, first_stream=first)
        return as_completions(
            [
                Episode(
                    start=prompts.index(prompt),
                    turns=tuple(Turn(shown, answer.tokens, answer.logprobs) for shown, answer in turns),
                    version=engine.version,
                )
                for prompt, turns in zip(prompts, played, strict=True)
            ]
        )

    def _current_engine(self, trainer: Any) -> Engine:
        """Return the engine, with the trainer's weights."""
        if self._engine is None:
            refuse_changed(trainer.args, DECIDED_BY_ROLLOUT, "seqpo's engine samples, at the temperature alone")
            if not isinstance(trainer.model, PreTrainedModel):
                raise ValueError(f"the engine runs plain Transformers models, not a {type(trainer.model).__name__}")
            self._engine = Engine(
                trainer.model,
                stop=self.stop,
                slots=self.slots,
                temperature=trainer.temperature,
                dtype=self.dtype,
            )
        self._engine.update_weights(full_weights(trainer.model))
        return self._engine


def as_completions(episodes: Sequence[Episode]) -> dict[str, list[Any]]:
    """Lay episodes out as a `rollout_func` returns them.

    Returns:
        Lists with an entry per episode: `prompt_ids`, `completion_ids`, `logprobs` (0 at observations), `env_mask`
        (1 at action tokens), and the `episode` itself.

    Raises:
        ValueError: an episode whose turns don't share one context.
    """
    names = ("prompt_ids", "completion_ids", "logprobs", "env_mask", "episode")
    columns: dict[str, list[Any]] = {name: [] for name in names}
    for episode in episodes:
        ids: list[int] = []
        logprobs: list[float] = []
        mask: list[int] = []
        for number, turn in enumerate(episode.turns):
            if number and turn.observation.reset_context:
                raise ValueError(
                    "TRL scores an episode as one row of tokens: turns can't reset the context (use interleaved)"
                )
            shown = turn.observation.tokens if number else ()
            ids += [*shown, *turn.action]
            logprobs += [*(0.0 for _ in shown), *turn.logprobs]
            mask += [*(0 for _ in shown), *(1 for _ in turn.action)]
        row = (list(episode.turns[0].observation.tokens), ids, logprobs, mask, episode)
        for column, entry in zip(columns.values(), row, strict=True):
            column.append(entry)
    return columns


def scored_by(
    score: Callable[[Sequence[Any], Batch], Rewards], start: Callable[[Any], Any]
) -> Callable[..., list[float]]:
    """Make a reward function for `Rollout` of a task's `score`; the rewards of an episode's turns are summed.

    Args:
        score: takes the starts of the groups, and the packed episodes; its parts are logged.
        start: makes the start of a prompt.
    """

    def reward(
        prompts: list[Any], episode: list[Episode], log_metric: Callable[[str, float], None], **_: Any
    ) -> list[float]:
        batch = pack(episode)
        groups = dict.fromkeys(one.start for one in episode)
        rewards = score([start(prompts[first]) for first in groups], batch)
        for name, part in rewards.parts.items():
            log_metric(name, float(part.mean()))
        found: list[float] = add_by(rewards.values, batch.segments.episode, batch.segments.episodes).tolist()
        return found

    return reward
