"""`python -m benchmarks update`: one packed forward pass for a whole episode, and log-probs without all the logits.

A policy-gradient update (forward, loss, backward) of the same episodes, three ways:

- `packed`: an episode is one row, each token of which is encoded once;
- `per-turn`: one forward and backward pass for each turn, over the whole history up to there, of all episodes;
- `per-turn-rows`: the same rows, each turn with its history, in a single batch padded to the longest.

And the log-probs of a large vocabulary: in chunks, against a log-softmax over all tokens at once.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import torch
from tokenizers import Tokenizer, models
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from benchmarks.memory import Scoring, measure
from benchmarks.timing import Result, assert_close, in_turns, machine, medians, ratio, threads
from benchmarks.workload import STOP, TINY, Workload
from seqpo.policies.causal_lm import CausalLMPolicy
from seqpo.types import Batch, Episode, Observation, Turn, pack

TOLERANCE = 1e-4
"""Largest relative error of gradients that count as equal, in float32."""


@dataclass(frozen=True)
class UpdateBench:
    """Settings of the benchmark.

    Attributes:
        workload: episodes and model.
        scoring: size of the log-probs whose memory is measured.
        threads: of torch.
        rounds: that are timed.
    """

    workload: Workload = field(default_factory=partial(Workload, words=(21, 21)))
    scoring: Scoring = field(default_factory=Scoring)
    threads: int = 2
    rounds: int = 5

    def __post_init__(self) -> None:
        if min(self.rounds, self.threads) < 1:
            raise ValueError("a benchmark needs a round and a thread at least")


QUICK = UpdateBench(workload=TINY, scoring=Scoring(2048, 5000, 16), threads=1, rounds=1)
"""Settings that only show that everything works."""


def run(settings: UpdateBench) -> Result:
    """Check that all ways give the same gradients, then time them and measure their memory.

    Raises:
        BenchError: the gradients or the log-probs differ.
    """
    with threads(settings.threads):
        policy, episodes = new_policy(settings.workload), random_episodes(settings.workload)
        ways = contestants(policy, episodes)
        errors = check(ways)
        times = in_turns(ways, settings.rounds)
    chunked = measure("chunked", settings.scoring, settings.threads)
    plain = measure("plain", settings.scoring, settings.threads)
    for name, values in plain.values.items():
        assert_close(name, torch.from_numpy(values), torch.from_numpy(chunked.values[name]), TOLERANCE)
    return Result(
        name="update",
        ratios={
            "per-turn": ratio(times, "per-turn", "packed"),
            "per-turn-rows": ratio(times, "per-turn-rows", "packed"),
            "memory": plain.peak / chunked.peak,
            "memory-time": plain.seconds / chunked.seconds,
        },
        equal={"gradients": True, "log-probs": True, **errors},
        medians={**medians(times), "log-probs chunked": chunked.seconds, "log-probs plain": plain.seconds},
        setup={
            **asdict(settings),
            **_sizes(policy, episodes),
            "dtype": "float32",
            "peak bytes chunked": chunked.peak,
            "peak bytes plain": plain.peak,
            **machine(),
        },
    )


def contestants(policy: CausalLMPolicy, episodes: Sequence[Episode]) -> dict[str, Callable[[], Tensor]]:
    """Return the three ways to compute the gradient of the same loss: each returns it, end to end."""
    packed = pack(episodes)
    by_turn = [
        pack([from_scratch(episode, [turn]) for episode in episodes if turn < len(episode.turns)])
        for turn in range(max(len(episode.turns) for episode in episodes))
    ]
    rows = pack([from_scratch(episode, range(len(episode.turns))) for episode in episodes])
    return {
        "packed": lambda: _gradient(policy, [packed]),
        "per-turn": lambda: _gradient(policy, by_turn),
        "per-turn-rows": lambda: _gradient(policy, [rows]),
    }


def check(ways: dict[str, Callable[[], Tensor]]) -> dict[str, float]:
    """Compare the gradients of all ways with the first one's; return their relative errors.

    Raises:
        BenchError: an error above `TOLERANCE`.
    """
    reference, *others = ways
    expected = ways[reference]()
    return {
        f"{name} error": assert_close(f"the gradient of {name}", expected, ways[name](), TOLERANCE) for name in others
    }


def from_scratch(episode: Episode, chosen: Sequence[int]) -> Episode:
    """Return some turns of an episode, each of which observes the whole history."""
    history: list[int] = []
    turns = []
    for number, turn in enumerate(episode.turns):
        history += turn.observation.tokens
        if number in chosen:
            turns.append(Turn(Observation(tuple(history), reset_context=True), turn.action, turn.logprobs))
        history += turn.action
    return Episode(episode.start, tuple(turns))


def _gradient(policy: CausalLMPolicy, batches: Sequence[Batch]) -> Tensor:
    """Run an update without the optimizer's step: REINFORCE, with an advantage of ±1 by the episode's number."""
    policy.model.zero_grad()
    total = sum(batch.segments.tokens for batch in batches)
    for batch in batches:
        signs = torch.tensor([1.0 if episode.start % 2 else -1.0 for episode in batch.episodes])
        loss = -(signs[batch.segments.token_episode] * policy.logprobs(batch)).sum() / total
        loss.backward()
    return torch.cat([weight.grad.flatten() for weight in policy.model.parameters() if weight.grad is not None])


def new_policy(workload: Workload) -> CausalLMPolicy:
    """Make the policy of a workload."""
    nothing = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel()))
    return CausalLMPolicy(workload.new_model(), nothing, stop=STOP)


def random_episodes(workload: Workload) -> list[Episode]:
    """Write random tokens after the chunks: only their number matters to the time."""
    draw = random.Random(workload.seed)
    episodes = []
    for start, stream in enumerate(workload.streams()):
        turns = []
        for chunk, count in zip(stream.chunks, stream.writes, strict=True):
            action = tuple(draw.randrange(1, workload.vocabulary) for _ in range(count))
            turns.append(Turn(Observation(chunk), action, (0.0,) * count))
        episodes.append(Episode(start, tuple(turns)))
    return episodes


def _sizes(policy: CausalLMPolicy, episodes: Sequence[Episode]) -> dict[str, Any]:
    return {
        "parameters": sum(weight.numel() for weight in policy.model.parameters()),
        "turns": sum(len(episode.turns) for episode in episodes),
        "tokens": sum(policy.num_tokens(episodes)),
        "chosen tokens": sum(episode.actions for episode in episodes),
    }
