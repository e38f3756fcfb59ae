"""The policy-optimization loop, whatever the task: sample, judge, compare, update.

episodes   = policy.rollout(starts, group_size)
rewards    = task.judge(starts, batch)
advantages = advantage(rewards, segments)
loss       = objective(logprobs, behaviour, advantages, segments)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

import torch
from torch import Tensor

from seqpo.advantages import Advantage
from seqpo.episodes import Batch, Episode, Rewards, pack
from seqpo.objectives import Objective, kl_penalty
from seqpo.segments import Totals
from seqpo.training import checkpoints
from seqpo.training.imitation import Probe, Scores
from seqpo.training.log import RunLog
from seqpo.training.updates import DivergenceError, OptimizerConfig, Updates, split_by_size
from seqpo.training.world import World, full_weights

KLForm = Literal["reward", "k2", "k3", "k3+"]


class Acts(Scores, Protocol):
    """A policy that can be trained: it samples episodes, and scores them."""

    def rollout(self, starts: Sequence[Any], group_size: int, *, seed: int, first: int = 0) -> list[Episode]:
        """Sample a group of episodes from each start; the starts are numbered from `first`."""
        ...

    def refresh(self, weights: Mapping[str, Tensor]) -> None:
        """Sample with these weights from now on."""
        ...


class Judges(Protocol):
    """A task: where episodes start, and how they are judged."""

    def starts(self, count: int, *, step: int) -> Sequence[Any]:
        """Return the starts of a step; a function of the step alone."""
        ...

    def judge(self, starts: Sequence[Any], batch: Batch) -> Rewards:
        """Judge a batch whose groups come from the starts, in order."""
        ...


@dataclass(frozen=True)
class KLConfig:
    """How the policy is held near the policy that it began as.

    Attributes:
        coefficient: β; 0 for no reference.
        form: "reward" subtracts β·log(π/π_ref) of each turn from its reward, as SeqPO-SiMT does; "k2", "k3" and
            "k3+" add β times that estimate, averaged over tokens, to the loss.
    """

    coefficient: float = 0.02
    form: KLForm = "reward"

    def __post_init__(self) -> None:
        if self.coefficient < 0:
            raise ValueError(f"the KL coefficient must not be negative, got {self.coefficient}")
        if self.form not in get_args(KLForm):
            raise ValueError(f"unknown KL form {self.form!r}: choose one of {', '.join(get_args(KLForm))}")


@dataclass(frozen=True)
class LoopConfig:
    """Policy optimization.

    Attributes:
        steps: rollouts.
        starts: starts per rollout, over all processes.
        group_size: episodes per start (B of SeqPO-SiMT).
        minibatches: optimizer steps into which a rollout is cut, by groups.
        epochs: times that a rollout is gone through.
        micro_tokens: most tokens, padding included, of one forward pass; changes memory and speed, not results.
        seed: of the sampling.
        log_every: steps between rows of the log.
        probe_every: steps between measurements on the development set; 0 for none.
        save_every: steps between checkpoints; the last step is always saved.
        kl: the reference.
        optimizer: learning rate and the like.
    """

    steps: int = 200
    starts: int = 16
    group_size: int = 8
    minibatches: int = 1
    epochs: int = 1
    micro_tokens: int = 16384
    seed: int = 0
    log_every: int = 1
    probe_every: int = 0
    save_every: int = 100
    kl: KLConfig = field(default_factory=KLConfig)
    optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(lr=1e-4, warmup=0, decay="constant"))

    def __post_init__(self) -> None:
        for name in ("starts", "group_size", "minibatches", "epochs"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, got {getattr(self, name)}")
        if self.minibatches > self.starts:
            raise ValueError(f"{self.starts} groups can't be cut into {self.minibatches} minibatches")


def optimize(
    policy: Acts,
    task: Judges,
    objective: Objective,
    advantage: Advantage,
    config: LoopConfig,
    *,
    world: World,
    stage: Path,
    reference: Callable[[Batch], Tensor] | None = None,
    resume_weights: Callable[[Path], Mapping[str, Tensor]] | None = None,
    probe: Probe | None = None,
) -> None:
    """Improve a policy, and leave checkpoints and `metrics.jsonl` in a stage's folder.

    Args:
        policy: its module is wrapped for the world here.
        task: starts and judges episodes.
        objective: log-ratios and advantages to a loss.
        advantage: rewards to advantages.
        config: how long and how.
        world: the processes; each samples and judges whole groups.
        stage: folder of this stage of the run.
        reference: log-probs under the frozen reference, for a KL coefficient above 0.
        resume_weights: reads the weights of a checkpoint; given to go on from the newest one.
        probe: measures the policy every `probe_every` steps.

    Raises:
        DivergenceError: a reward, loss or gradient that isn't finite.
        ValueError: a KL coefficient without a reference, or starts that the processes can't share equally.
    """
    if config.kl.coefficient and reference is None:
        raise ValueError("a KL coefficient needs a reference policy; set it to 0 for none")
    if world.size > 1 and config.starts % (world.size * config.minibatches):
        raise ValueError(
            f"{config.starts} starts can't be cut into {config.minibatches} minibatches on each of {world.size} "
            f"processes: choose a multiple of {world.size * config.minibatches}"
        )
    policy.module = world.wrap(policy.module)
    updates = Updates(policy.module, config.optimizer, world, config.steps * config.epochs * config.minibatches)
    found = checkpoints.latest(stage) if resume_weights else None
    done = checkpoints.resume(found, updates, resume_weights(found)) if found and resume_weights else 0
    learner = _Learner(policy, objective, advantage, config, updates, reference)
    policy.refresh(full_weights(policy.module))
    policy.module.eval()  # with dropout it would be another policy than the one that samples
    with RunLog(stage, "policy optimization", config.steps, done, silent=not world.leads) as log:
        for step in range(done, config.steps):
            result = learner.step(task, step)
            weights = full_weights(policy.module)
            policy.refresh(weights)
            last = step + 1 == config.steps
            probed = bool(probe and config.probe_every and ((step + 1) % config.probe_every == 0 or last))
            if probe and probed:
                result |= probe(weights)
            if (step + 1) % config.log_every == 0 or last or probed:
                log.write(step + 1, result, _shown(result))
            if (step + 1) % config.save_every == 0 or last:
                checkpoints.save(stage, step + 1, policy, updates)


@dataclass(frozen=True)
class _Learner:
    policy: Acts
    objective: Objective
    advantage: Advantage
    config: LoopConfig
    updates: Updates
    reference: Callable[[Batch], Tensor] | None

    def step(self, task: Judges, step: int) -> dict[str, float]:
        """Take one rollout and the updates it is good for."""
        config, world = self.config, self.updates.world
        mine = world.share(config.starts, "starts")
        starts = task.starts(config.starts, step=step)[mine]
        episodes = self.policy.rollout(starts, config.group_size, seed=(config.seed << 32) + step, first=mine.start)
        batch = pack(episodes, device=world.device)
        rewards = task.judge(starts, batch)
        if not torch.isfinite(rewards.values).all():
            raise DivergenceError(f"the rewards of step {step + 1} are not finite: see what the reward was given")
        values, reference = self._hold(batch, rewards.values)
        advantages = self.advantage(values, batch.segments, world.all_sum)
        result = self._summarise(batch, rewards)
        result |= self._update(batch, advantages, reference)
        return result

    def _hold(self, batch: Batch, values: Tensor) -> tuple[Tensor, Tensor | None]:
        """Bring in the reference: rewards with their KL part, and the reference's log-probs `[N]`."""
        kl = self.config.kl
        if not kl.coefficient or self.reference is None:
            return values, None
        logprobs = torch.empty_like(batch.behaviour)
        sizes = self.policy.sizes(batch.episodes)
        with torch.no_grad():
            for part in split_by_size(sizes, self.config.micro_tokens):
                some = pack([batch.episodes[i] for i in part], device=batch.actions.device)
                logprobs[batch.token_index(part)] = self.reference(some).to(logprobs.dtype)
        if kl.form == "reward":
            drift = batch.segments.sum(batch.behaviour - logprobs, "turn")
            values = values - kl.coefficient * drift
        return values, logprobs

    def _update(self, batch: Batch, advantages: Tensor, reference: Tensor | None) -> dict[str, float]:
        config = self.config
        sizes = self.policy.sizes(batch.episodes)
        group = batch.segments.group.tolist()
        sums: dict[str, float] = {}
        for _ in range(config.epochs):
            for number in range(config.minibatches):
                chosen = [i for i in range(len(sizes)) if group[i] % config.minibatches == number]
                for name, value in self._optimizer_step(batch, chosen, sizes, advantages, reference).items():
                    sums[name] = sums.get(name, 0.0) + value
        return {name: value / (config.epochs * config.minibatches) for name, value in sums.items()}

    def _optimizer_step(
        self, batch: Batch, chosen: list[int], sizes: list[int], advantages: Tensor, reference: Tensor | None
    ) -> dict[str, float]:
        world, budget = self.updates.world, self.config.micro_tokens
        counts = torch.tensor([len(chosen), sum(batch.episodes[i].actions for i in chosen)], device=world.device)
        totals = Totals(*world.all_sum(counts).tolist())
        chosen_sizes = [sizes[i] for i in chosen]
        number = world.most(len(split_by_size(chosen_sizes, budget)))
        diagnostics: dict[str, Tensor] = {}

        def loss(part: list[int]) -> Tensor:
            members = [chosen[i] for i in part]
            index = batch.token_index(members)
            some = pack([batch.episodes[i] for i in members], device=world.device)
            logprobs = self.policy.logprobs(some)
            computed = self.objective(logprobs, some.behaviour, advantages[index], some.segments, totals)
            for name, value in computed.diagnostics.items():
                diagnostics[name] = diagnostics.get(name, torch.zeros_like(value)) + value
            if reference is None or self.config.kl.form == "reward":
                return computed.value
            penalty = kl_penalty(logprobs, reference[index], self.config.kl.form).sum() / totals.tokens
            diagnostics["kl_reference"] = diagnostics.get("kl_reference", torch.zeros_like(penalty)) + penalty.detach()
            return computed.value + self.config.kl.coefficient * penalty

        result = self.updates.step([partial(loss, part) for part in split_by_size(chosen_sizes, budget, number)])
        return result | {name: float(world.all_sum(value)) for name, value in diagnostics.items()}

    def _summarise(self, batch: Batch, rewards: Rewards) -> dict[str, float]:
        """Average what the episodes were judged by, over all processes."""
        world = self.updates.world
        named = {f"rollout/{name}": value.sum() for name, value in rewards.parts.items()}
        named["rollout/reward"] = rewards.values.sum()
        named["rollout/tokens"] = rewards.values.new_tensor(batch.segments.tokens)
        named["rollout/entropy"] = -batch.behaviour.sum()
        count = rewards.values.new_tensor(batch.segments.episodes)
        sums = world.all_sum(torch.stack([count, *named.values()])).tolist()
        means = {name: value / sums[0] for name, value in zip(named, sums[1:], strict=True)}
        return means | {"rollout/entropy": means["rollout/entropy"] / means["rollout/tokens"]}  # of a token


def _shown(result: Mapping[str, float]) -> str:
    names = [
        name for name in result if name.startswith("rollout/") and name not in ("rollout/tokens", "rollout/reward")
    ]
    return "  ".join(f"{name.removeprefix('rollout/')} {result[name]:.2f}" for name in names)
