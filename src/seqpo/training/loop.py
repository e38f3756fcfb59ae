"""The policy-optimization loop, whatever the task: sample, judge, compare, update.

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
from typing import Literal, Protocol, get_args

import torch
from torch import Tensor

from seqpo.advantages import Advantage, AdvantageInputs, HasCriticTargets, HasState
from seqpo.objectives import Diagnostics, PolicyLoss, SamplerCorrection, kl_penalty, sampled_entropy
from seqpo.segments import Denominators
from seqpo.training import checkpoints
from seqpo.training.critic import Critic, CriticConfig, ValueLearner
from seqpo.training.log import RunLog
from seqpo.training.minibatches import Minibatches
from seqpo.training.optimizer import DivergenceError, OptimizerConfig, Updates
from seqpo.training.requirements import Rolls, Task, check_credit, check_requirements, collect_inputs
from seqpo.training.supervised import DevEvaluation, Scores
from seqpo.training.world import World, full_weights
from seqpo.types import Batch, Rewards, pack

LoopKLForm = Literal["reward", "k2", "k3", "k3+"]


class Acts(Scores, Rolls, Protocol):
    """A policy that can be trained: it samples episodes, and scores them."""

    def update_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Sample with these weights from now on."""
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
    form: LoopKLForm = "reward"

    def __post_init__(self) -> None:
        if self.coefficient < 0:
            raise ValueError(f"the KL coefficient must not be negative, got {self.coefficient}")
        if self.form not in get_args(LoopKLForm):
            raise ValueError(f"unknown KL form {self.form!r}: choose one of {', '.join(get_args(LoopKLForm))}")


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
        eval_every: steps between measurements on the development set; 0 for none.
        save_every: steps between checkpoints; the last step is always saved.
        entropy: coefficient of the policy's entropy, estimated from the sampled tokens, in the objective.
        kl: the reference.
        correction: for a sampler that differs from the trainer, in precision or kernels. With a form other than
            "none", the trainer scores each rollout itself, and its log-probs are the behaviour's.
        critic: how a critic learns, where the advantage needs one.
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
    eval_every: int = 0
    save_every: int = 100
    entropy: float = 0.0
    kl: KLConfig = field(default_factory=KLConfig)
    correction: SamplerCorrection = field(default_factory=lambda: SamplerCorrection("none"))
    critic: CriticConfig = field(default_factory=CriticConfig)
    optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(lr=1e-4, warmup=0, decay="constant"))

    def __post_init__(self) -> None:
        for name in ("starts", "group_size", "minibatches", "epochs"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, got {getattr(self, name)}")
        if self.minibatches > self.starts:
            raise ValueError(f"{self.starts} groups can't be cut into {self.minibatches} minibatches")
        if self.critic.warmup and self.critic.warmup >= self.steps:
            raise ValueError(
                f"{self.critic.warmup} of {self.steps} steps are the critic's: the policy would learn nothing"
            )


def optimize(
    policy: Acts,
    task: Task,
    objective: PolicyLoss,
    advantage: Advantage,
    config: LoopConfig,
    *,
    world: World,
    stage: Path,
    critic: Critic | None = None,
    reference: Callable[[Batch], Tensor] | None = None,
    resume_weights: Callable[[Path], Mapping[str, Tensor]] | None = None,
    probe: DevEvaluation | None = None,
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
        critic: predicts returns, for an advantage that needs values; it is trained with the policy.
        reference: log-probs under the frozen reference, for a KL coefficient above 0.
        resume_weights: reads the weights of a checkpoint; given to go on from the newest one.
        probe: measures the policy every `eval_every` steps.

    Raises:
        DivergenceError: a reward, loss or gradient that isn't finite.
        ValueError: a KL coefficient without a reference, starts that the processes can't share equally, or an
            advantage that this task, this critic or this objective can't serve.
    """
    _check(config, world, reference)
    check_requirements(advantage, task, critic)
    check_credit(objective, advantage)
    policy.module = world.wrap(policy.module)
    values: ValueLearner | None = None
    if critic and isinstance(advantage, HasCriticTargets):
        values = ValueLearner(critic, advantage, config.critic, config.minibatches, config.steps, world)
    own = config.steps - (config.critic.warmup if values else 0)
    updates = Updates(policy.module, config.optimizer, world, own * config.epochs * config.minibatches)
    learner = _Learner(policy, objective, advantage, config, updates, values, reference)
    found = checkpoints.latest(stage) if resume_weights else None
    done = learner.resume(found, resume_weights(found)) if found and resume_weights else 0
    policy.update_weights(full_weights(policy.module))
    policy.module.eval()  # with dropout it would be another policy than the one that samples
    with RunLog(stage, config.steps, done, silent=not world.leads) as log:
        for step in range(done, config.steps):
            result = learner.step(task, step)
            weights = full_weights(policy.module)
            policy.update_weights(weights)
            last = step + 1 == config.steps
            probed = bool(probe and config.eval_every and ((step + 1) % config.eval_every == 0 or last))
            if probe and probed:
                result |= probe(weights)
            if (step + 1) % config.log_every == 0 or last or probed:
                log.write(step + 1, result, _shown(result))
            if (step + 1) % config.save_every == 0 or last:
                learner.save(stage, step + 1)


def _check(config: LoopConfig, world: World, reference: object) -> None:
    if config.kl.coefficient and reference is None:
        raise ValueError("a KL coefficient needs a reference policy; set it to 0 for none")
    if world.size > 1 and config.starts % (world.size * config.minibatches):
        raise ValueError(
            f"{config.starts} starts can't be cut into {config.minibatches} minibatches on each of {world.size} "
            f"processes: choose a multiple of {world.size * config.minibatches}"
        )


@dataclass(frozen=True)
class _Rollout:
    """Episodes, and what their updates are computed from: `[N]`, rewards `[turns]`."""

    cuts: Minibatches
    rewards: Tensor
    behaviour: Tensor
    reference: Tensor | None


@dataclass(frozen=True)
class _Learner:
    policy: Acts
    objective: PolicyLoss
    advantage: Advantage
    config: LoopConfig
    updates: Updates
    values: ValueLearner | None
    reference: Callable[[Batch], Tensor] | None

    def save(self, stage: Path, step: int) -> None:
        """Write a checkpoint of policy, critic and what the advantage remembers."""
        memory = self.advantage.state_dict() if isinstance(self.advantage, HasState) else None
        critic = self.values.updates if self.values else None
        checkpoints.save(stage, step, self.policy, self.updates, memory=memory, critic=critic)

    def resume(self, folder: Path, weights: Mapping[str, Tensor]) -> int:
        """Go on from a checkpoint; return the number of steps that had been taken."""
        done = checkpoints.resume(folder, self.updates, weights)
        if isinstance(self.advantage, HasState):
            self.advantage.load_state_dict(checkpoints.read_memory(folder))
        if self.values:
            checkpoints.resume_critic(folder, self.values.updates)
        return done

    def step(self, task: Task, step: int) -> dict[str, float]:
        """Take one rollout and the updates it is good for."""
        config, world = self.config, self.updates.world
        mine = world.share(config.starts, "starts")
        starts = task.starts(config.starts, step=step)[mine]
        episodes = self.policy.rollout(starts, config.group_size, seed=(config.seed << 32) + step, first=mine.start)
        batch = pack(episodes, device=world.device)
        rewards = task.score(starts, batch)
        if not torch.isfinite(rewards.values).all():
            raise DivergenceError(f"the rewards of step {step + 1} are not finite: see what the reward was given")
        rollout = self._prepare(batch, rewards.values)
        result = self._summarise(batch, rewards)
        predicted = AdvantageInputs()
        if self.values:
            predicted = self.values.predict(rollout.cuts)  # before its updates, which see these returns
            result |= self.values.learn(rollout.cuts, rollout.rewards, predicted)
            if step < config.critic.warmup:
                return result
        inputs = collect_inputs(self.advantage, self.policy, task, starts, batch, mine.start)
        inputs = replace(inputs, values=predicted.values, bootstrap=predicted.bootstrap)
        return result | self._update(rollout, self._advantages(rollout, inputs))

    def _prepare(self, batch: Batch, rewards: Tensor) -> _Rollout:
        """Score a batch as far as needed, and take the KL penalty off its rewards."""
        kl, behaviour = self.config.kl, batch.behaviour
        cuts = Minibatches(batch, self.policy.num_tokens(batch.episodes), self.config.micro_tokens, self.updates.world)
        if self.config.correction.form != "none":
            behaviour = cuts.score(self.policy.logprobs)
        reference = cuts.score(self.reference) if kl.coefficient and self.reference else None
        if reference is not None and kl.form == "reward":
            rewards = rewards - kl.coefficient * batch.segments.sum(behaviour - reference, "turn")
        return _Rollout(cuts, rewards, behaviour, reference)

    def _advantages(self, rollout: _Rollout, inputs: AdvantageInputs) -> Tensor:
        batch, world = rollout.cuts.batch, self.updates.world
        advantages = self.advantage(rollout.rewards, batch.segments, inputs, world.all_sum)
        return self.config.correction(advantages, rollout.behaviour, batch.behaviour, batch.segments)

    def _update(self, rollout: _Rollout, advantages: Tensor) -> dict[str, float]:
        minibatches = rollout.cuts.minibatches(self.config.minibatches) * self.config.epochs
        sums: dict[str, float] = {}
        for members in minibatches:
            for name, value in self._optimizer_step(rollout, advantages, members).items():
                sums[name] = sums.get(name, 0.0) + value
        return {name: value / len(minibatches) for name, value in sums.items()}

    def _optimizer_step(self, rollout: _Rollout, advantages: Tensor, members: list[int]) -> dict[str, float]:
        world, cuts = self.updates.world, rollout.cuts
        actions = sum(cuts.batch.episodes[i].actions for i in members)
        denominators = Denominators(*world.all_sum(torch.tensor([len(members), actions], device=world.device)).tolist())
        told: list[Diagnostics] = []
        penalties: list[Tensor] = []

        def loss(part: list[int]) -> Tensor:
            index, some = cuts.index(part, "token"), cuts.take(part)
            logprobs = self.policy.logprobs(some)
            computed = self.objective(
                logprobs, rollout.behaviour[index], advantages[index], some.segments, denominators
            )
            told.append(computed.diagnostics)
            value = computed.value
            if self.config.entropy:
                value = value - self.config.entropy * sampled_entropy(logprobs).sum() / denominators.tokens
            form = self.config.kl.form
            if rollout.reference is not None and form != "reward":
                penalty = kl_penalty(logprobs, rollout.reference[index], form).sum() / denominators.tokens
                penalties.append(penalty.detach())
                value = value + self.config.kl.coefficient * penalty
            return value

        result = self.updates.step([partial(loss, part) for part in cuts.parts(members)])
        result |= Diagnostics(world.all_sum(torch.stack([one.sums for one in told]).sum(0))).as_dict()
        if penalties:
            result["kl_reference"] = float(world.all_sum(torch.stack(penalties).sum()))
        return result

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
