"""The policy-optimization loop, whatever the task: sample, score, compare, update.

episodes   = policy.rollout(starts, group_size)
rewards    = task.score(starts, batch)
advantages = advantage(rewards, segments)
loss       = objective(logprobs, behaviour, advantages, segments)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor

from seqpo.advantages import Advantage, AdvantageInputs, HasCriticTargets, HasState
from seqpo.objectives import Diagnostics, PolicyLoss, SamplerCorrection, kl_penalty, sampled_entropy
from seqpo.records import refuse_changed
from seqpo.segments import Denominators
from seqpo.training import checkpoints
from seqpo.training.critic import CriticConfig, ValueLearner
from seqpo.training.log import RunLog
from seqpo.training.minibatches import Minibatches
from seqpo.training.optimizer import DivergenceError, OptimizerConfig, Updates
from seqpo.training.requirements import check_credit, check_requirements, collect_inputs
from seqpo.training.world import World, full_weights
from seqpo.types import Batch, Critic, DevEvaluation, Policy, Rewards, Task, pack

LoopKLForm = Literal["reward", "k2", "k3", "k3+"]


@dataclass(frozen=True)
class KLConfig:
    """How the policy is held near the policy that it began as.

    Attributes:
        coefficient: β; 0 for no reference.
        form: "reward" subtracts β·log(π/π_ref) of each turn from its reward, as SeqPO-SiMT does; "k2", "k3" and
            "k3+" add β times that estimate, averaged over tokens, to the loss.
    """

    coefficient: float = 0.02
    form: LoopKLForm = "reward"

    def __post_init__(self) -> None:
        if self.coefficient < 0:
            raise ValueError(f"the KL coefficient must not be negative, got {self.coefficient}")
        if not self.coefficient:
            refuse_changed(self, ("form",), "the coefficient is 0")
        if self.form not in get_args(LoopKLForm):
            raise ValueError(f"unknown KL form {self.form!r}: choose one of {', '.join(get_args(LoopKLForm))}")


@dataclass(frozen=True)
class LoopConfig:
    """Policy optimization.

    Attributes:
        steps: rollouts.
        groups_per_step: groups of a rollout, over all processes; each has a start.
        group_size: episodes of a group (B of SeqPO-SiMT).
        minibatches: optimizer steps into which a rollout is cut, by groups.
        epochs: times that a rollout is gone through.
        micro_tokens: most tokens, padding included, of one forward pass; changes memory and speed, not results.
        log_every: steps between rows of the log.
        eval_every: steps between measurements on the development set; 0 for none.
        save_every: steps between checkpoints; the last step is always saved.
        entropy: coefficient of the policy's entropy, estimated from the sampled tokens, in the objective.
        optimizer: learning rate and the like.
    """

    steps: int = 200
    groups_per_step: int = 16
    group_size: int = 8
    minibatches: int = 1
    epochs: int = 1
    micro_tokens: int = 16384
    log_every: int = 1
    eval_every: int = 0
    save_every: int = 100
    entropy: float = 0.0
    optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(lr=1e-4, warmup=0, decay="constant"))

    def __post_init__(self) -> None:
        for name in ("groups_per_step", "group_size", "minibatches", "epochs"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, got {getattr(self, name)}")
        if self.minibatches > self.groups_per_step:
            raise ValueError(f"{self.groups_per_step} groups can't be cut into {self.minibatches} minibatches")


def optimize(
    policy: Policy,
    task: Task,
    objective: PolicyLoss,
    advantage: Advantage,
    config: LoopConfig,
    *,
    stage: Path,
    seed: int = 0,
    world: World | None = None,
    resume: bool = False,
    critic: Critic | None = None,
    critic_config: CriticConfig | None = None,
    reference: Callable[[Batch], Tensor] | None = None,
    kl: KLConfig | None = None,
    correction: SamplerCorrection | None = None,
    evaluate: DevEvaluation | None = None,
) -> None:
    """Improve a policy, and leave checkpoints and `metrics.jsonl` in a stage's folder.

    Args:
        policy: its module is wrapped for the world here.
        task: starts and scores episodes.
        objective: log-ratios and advantages to a loss.
        advantage: rewards to advantages.
        config: how long and how.
        stage: folder of this stage of the run.
        seed: of the sampling.
        world: the processes, each of which samples and scores whole groups; this one alone when None.
        resume: go on from the newest checkpoint of the stage.
        critic: predicts returns, for an advantage that needs values; it is trained with the policy.
        critic_config: how the critic learns.
        reference: log-probs under the frozen reference that the policy is held near; None for none.
        kl: how it is held there.
        correction: for a sampler that differs from the trainer, in precision or kernels. With a form other than
            "none", the trainer scores each rollout itself, and its log-probs are the behaviour's.
        evaluate: measures the policy every `eval_every` steps.

    Raises:
        DivergenceError: a reward, loss or gradient that isn't finite.
        ValueError: groups that the processes can't share equally, a KL coefficient without a reference, or an advantage
            that this task, this critic or this objective can't serve.
    """
    world, critic_config = world or World(), critic_config or CriticConfig()
    if kl and kl.coefficient and reference is None:
        raise ValueError("a KL coefficient needs a reference policy; set it to 0 for none")
    _check(config, world, critic_config if critic else None)
    check_requirements(advantage, task, critic)
    check_credit(objective, advantage)
    learner = _Learner(
        *(policy, task, objective, advantage, config),
        updates=_updates(policy, config, world, critic_config.warmup if critic else 0),
        values=_values(critic, advantage, critic_config, config, world),
        reference=reference,
        kl=kl or KLConfig(),
        correction=correction or SamplerCorrection("none"),
        seed=seed,
    )
    found = checkpoints.latest(stage) if resume else None
    done = learner.resume(found) if found else 0
    policy.update_weights(full_weights(policy.module))
    policy.module.eval()  # with dropout it would be another policy than the one that samples
    with RunLog(stage, config.steps, done, silent=not world.leads) as log:
        for step in range(done, config.steps):
            _take(learner, step, stage, log, evaluate)


def _take(learner: _Learner, step: int, stage: Path, log: RunLog, evaluate: DevEvaluation | None) -> None:
    """Take a step; measure, log and save as often as the configuration says, and after the last one."""
    config, policy = learner.config, learner.policy
    result = learner.step(step)
    weights = full_weights(policy.module)
    policy.update_weights(weights)
    last = step + 1 == config.steps
    evaluated = bool(evaluate and config.eval_every and ((step + 1) % config.eval_every == 0 or last))
    if evaluate and evaluated:
        result |= evaluate(weights)
    if (step + 1) % config.log_every == 0 or last or evaluated:
        log.write(step + 1, result, _shown(result))
    if (step + 1) % config.save_every == 0 or last:
        learner.save(stage, step + 1)


def _check(config: LoopConfig, world: World, critic: CriticConfig | None) -> None:
    if critic and critic.warmup and critic.warmup >= config.steps:
        raise ValueError(
            f"{critic.warmup} of {config.steps} steps are the critic's (critic.warmup): the policy would learn nothing"
        )
    if world.size > 1 and config.groups_per_step % (world.size * config.minibatches):
        raise ValueError(
            f"{config.groups_per_step} groups can't be cut into {config.minibatches} minibatches on each of "
            f"{world.size} processes: choose a multiple of {world.size * config.minibatches}"
        )


def _updates(policy: Policy, config: LoopConfig, world: World, waiting: int) -> Updates:
    """Wrap the policy's module, whose optimizer steps begin after some rollouts that are the critic's alone."""
    policy.module = world.wrap(policy.module)
    steps = (config.steps - waiting) * config.epochs * config.minibatches
    return Updates(policy.module, config.optimizer, world, steps)


def _values(
    critic: Critic | None, advantage: Advantage, critic_config: CriticConfig, config: LoopConfig, world: World
) -> ValueLearner | None:
    if not (critic and isinstance(advantage, HasCriticTargets)):
        return None
    return ValueLearner(critic, advantage, critic_config, config.minibatches, config.steps, world)


@dataclass(frozen=True)
class _Rollout:
    """Episodes, and what their updates are computed from: `[N]`, rewards `[turns]`."""

    minibatches: Minibatches
    rewards: Tensor
    behaviour: Tensor
    reference: Tensor | None


@dataclass(frozen=True)
class _Learner:
    policy: Policy
    task: Task
    objective: PolicyLoss
    advantage: Advantage
    config: LoopConfig
    updates: Updates
    values: ValueLearner | None
    reference: Callable[[Batch], Tensor] | None
    kl: KLConfig
    correction: SamplerCorrection
    seed: int

    def save(self, stage: Path, step: int) -> None:
        """Write a checkpoint of policy, critic and what the advantage remembers."""
        advantage = self.advantage.state_dict() if isinstance(self.advantage, HasState) else None
        critic = self.values.updates if self.values else None
        checkpoints.save(stage, step, self.policy, self.updates, advantage=advantage, critic=critic)

    def resume(self, folder: Path) -> int:
        """Go on from a checkpoint; return the number of steps that had been taken."""
        done = checkpoints.resume(folder, self.updates, self.policy.load(folder))
        if isinstance(self.advantage, HasState):
            self.advantage.load_state_dict(checkpoints.read_advantage(folder))
        if self.values:
            checkpoints.resume_critic(folder, self.values.updates)
        return done

    def step(self, step: int) -> dict[str, float]:
        """Take one rollout and the updates it is good for."""
        config, world, task = self.config, self.updates.world, self.task
        mine = world.share(config.groups_per_step, "groups")
        starts = task.starts(config.groups_per_step, step=step)[mine]
        episodes = self.policy.rollout(starts, config.group_size, seed=(self.seed << 32) + step, first=mine.start)
        batch = pack(episodes, device=world.device)
        rewards = task.score(starts, batch)
        if not torch.isfinite(rewards.values).all():
            raise DivergenceError(f"the rewards of step {step + 1} are not finite: see what the reward was given")
        rollout = self._prepare(batch, rewards.values)
        result = self._summarise(batch, rewards)
        predicted = AdvantageInputs()
        if self.values:
            predicted = self.values.predict(rollout.minibatches)  # before its updates, which see these returns
            result |= self.values.learn(rollout.minibatches, rollout.rewards, predicted)
            if step < self.values.config.warmup:
                return result
        inputs = collect_inputs(self.advantage, self.policy, task, starts, batch, mine.start)
        inputs = replace(inputs, values=predicted.values, bootstrap=predicted.bootstrap)
        return result | self._update(rollout, self._advantages(rollout, inputs))

    def _prepare(self, batch: Batch, rewards: Tensor) -> _Rollout:
        """Score a batch as far as needed, and take the KL penalty off its rewards."""
        behaviour, costs = batch.behaviour, self.policy.num_tokens(batch.episodes)
        minibatches = Minibatches(batch, costs, self.config.micro_tokens, self.updates.world)
        if self.correction.form != "none":
            behaviour = minibatches.score(self.policy.logprobs)
        reference = minibatches.score(self.reference) if self.kl.coefficient and self.reference else None
        if reference is not None and self.kl.form == "reward":
            rewards = rewards - self.kl.coefficient * batch.segments.sum(behaviour - reference, "turn")
        return _Rollout(minibatches, rewards, behaviour, reference)

    def _advantages(self, rollout: _Rollout, inputs: AdvantageInputs) -> Tensor:
        batch, world = rollout.minibatches.batch, self.updates.world
        advantages = self.advantage(rollout.rewards, batch.segments, inputs, world.all_sum)
        return self.correction(advantages, rollout.behaviour, batch.behaviour, batch.segments)

    def _update(self, rollout: _Rollout, advantages: Tensor) -> dict[str, float]:
        minibatches = rollout.minibatches.deal(self.config.minibatches) * self.config.epochs
        sums: dict[str, float] = {}
        for members in minibatches:
            for name, value in self._optimizer_step(rollout, advantages, members).items():
                sums[name] = sums.get(name, 0.0) + value
        return {name: value / len(minibatches) for name, value in sums.items()}

    def _optimizer_step(self, rollout: _Rollout, advantages: Tensor, members: list[int]) -> dict[str, float]:
        world, minibatches = self.updates.world, rollout.minibatches
        actions = sum(minibatches.batch.episodes[i].actions for i in members)
        denominators = Denominators(*world.all_sum(torch.tensor([len(members), actions], device=world.device)).tolist())
        diagnostics: list[Diagnostics] = []
        penalties: list[Tensor] = []

        def loss(part: list[int]) -> Tensor:
            index, some = minibatches.index(part, "token"), minibatches.pack(part)
            logprobs = self.policy.logprobs(some)
            computed = self.objective(
                logprobs, rollout.behaviour[index], advantages[index], some.segments, denominators
            )
            diagnostics.append(computed.diagnostics)
            value = computed.value
            if self.config.entropy:
                value = value - self.config.entropy * sampled_entropy(logprobs).sum() / denominators.tokens
            form = self.kl.form
            if rollout.reference is not None and form != "reward":
                penalty = kl_penalty(logprobs, rollout.reference[index], form).sum() / denominators.tokens
                penalties.append(penalty.detach())
                value = value + self.kl.coefficient * penalty
            return value

        result = self.updates.step([partial(loss, part) for part in minibatches.micro_batches(members)])
        result |= Diagnostics(world.all_sum(torch.stack([one.sums for one in diagnostics]).sum(0))).as_dict()
        if penalties:
            result["kl_reference"] = float(world.all_sum(torch.stack(penalties).sum()))
        return result

    def _summarise(self, batch: Batch, rewards: Rewards) -> dict[str, float]:
        """Average what the episodes were scored by, over all processes."""
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
