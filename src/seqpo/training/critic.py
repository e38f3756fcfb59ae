"""A critic: predicts returns, so that an advantage can say how much better than expected a choice was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, get_args

import torch
from torch import Tensor

from seqpo.advantages import AdvantageInputs, HasCriticTargets, cross_entropy_value_loss, squared_value_loss
from seqpo.records import refuse_changed
from seqpo.segments import Level
from seqpo.training.minibatches import Minibatches
from seqpo.training.optimizer import OptimizerConfig, Updates
from seqpo.training.world import World
from seqpo.types import Batch, Critic, HasFinalValues

ValueLoss = Literal["squared", "clipped", "cross-entropy"]


@dataclass(frozen=True)
class CriticConfig:
    """How a critic learns; its minibatches and micro-batches are those of the policy.

    Attributes:
        loss: "squared" (1610.00388, Eq. 11); "clipped", squared with PPO's clip; or "cross-entropy" on a logit, for
            returns between 0 and 1 (2604.08865, Eq. 2).
        clip: how far the clipped loss lets a value move from that of before the updates of a rollout.
        epochs: times that a rollout is gone through.
        warmup: rollouts from which only the critic learns, before the policy begins.
        optimizer: learning rate and the like.
    """

    loss: ValueLoss = "squared"
    clip: float = 0.2
    epochs: int = 1
    warmup: int = 0
    optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(lr=5e-4, warmup=0, decay="constant"))

    def __post_init__(self) -> None:
        if self.loss not in get_args(ValueLoss):
            raise ValueError(f"unknown value loss {self.loss!r}: choose one of {', '.join(get_args(ValueLoss))}")
        if self.clip <= 0 or self.epochs < 1 or self.warmup < 0:
            raise ValueError("a critic's clip must be positive, its epochs 1 or more, and its warmup not negative")
        if self.loss != "clipped":
            refuse_changed(self, ("clip",), f"the loss is {self.loss!r}")

    def values(self, outputs: Tensor) -> Tensor:
        """Return the values that a critic's outputs stand for."""
        return outputs.sigmoid() if self.loss == "cross-entropy" else outputs

    def losses(self, outputs: Tensor, targets: Tensor, before: Tensor) -> Tensor:
        """Return the loss of each output `[units]`, given its target and its value from before the updates."""
        match self.loss:
            case "squared":
                return squared_value_loss(outputs, targets)
            case "clipped":
                return squared_value_loss(outputs, targets, before, self.clip)
            case "cross-entropy":
                return cross_entropy_value_loss(outputs, targets)


class ValueLearner:
    """Trains a critic beside a policy.

    Args:
        critic: its module is wrapped for the world here.
        teacher: the advantage, which says what the critic should learn.
        config: how it learns.
        minibatches: optimizer steps into which a rollout is cut.
        steps: rollouts of the whole run.
        world: the processes.
    """

    def __init__(
        self,
        critic: Critic,
        teacher: HasCriticTargets,
        config: CriticConfig,
        minibatches: int,
        steps: int,
        world: World,
    ) -> None:
        critic.module = world.wrap(critic.module)
        critic.module.eval()  # with dropout its values would differ from the outputs that are trained
        self.critic = critic
        self.teacher = teacher
        self.config = config
        self.minibatches = minibatches
        self.updates = Updates(critic.module, config.optimizer, world, steps * config.epochs * minibatches)

    def predict(self, rollout: Minibatches) -> AdvantageInputs:
        """Return what the critic says of a rollout: `values` and `bootstrap`, without gradient.

        A critic of whole episodes values their starts alone, and is asked for no bootstrap.

        Raises:
            ValueError: an episode was truncated, and the critic can't say what would have followed.
        """
        values = self.config.values(rollout.score(self._predict, self.critic.level))
        return AdvantageInputs(values=values, bootstrap=self._bootstrap(rollout))

    def _bootstrap(self, rollout: Minibatches) -> Tensor | None:
        truncated = [episode.truncated for episode in rollout.batch.episodes]
        if self.critic.level == "sequence" or not self.updates.world.most(sum(truncated)):
            return None
        if not isinstance(self.critic, HasFinalValues):
            raise ValueError(
                f"an episode was truncated, and {type(self.critic).__name__} can't value what would have followed, "
                f"which must not count as nothing: the critic needs `predict_final`"
            )
        final = self.critic.predict_final
        outputs = rollout.score(lambda batch: self._checked(final(batch), batch, "sequence"), "sequence")
        return torch.where(torch.tensor(truncated, device=outputs.device), self.config.values(outputs), 0)

    def learn(self, rollout: Minibatches, rewards: Tensor, predicted: AdvantageInputs) -> dict[str, float]:
        """Take the updates that a rollout is good for.

        Args:
            rollout: the rollout.
            rewards: `[turns]`, the same that the advantage is given.
            predicted: what the critic said before these updates.

        Returns:
            The loss, averaged over the updates; the mean of the values; and the share of the variance of the targets
            that the values explain, 0 where the targets don't vary.

        Raises:
            DivergenceError: a loss or gradient that isn't finite.
            ValueError: targets that can't be learnt by cross-entropy.
        """
        values = predicted.require(
            "values", rollout.batch.segments.count(self.critic.level), "units of the critic's level"
        )
        targets = self.teacher.targets(rewards, rollout.batch.segments, predicted)
        known = ~targets.isnan()
        if self.config.loss == "cross-entropy":
            _check_chances(targets[known])
        minibatches = rollout.deal(self.minibatches) * self.config.epochs
        losses = [self._optimizer_step(rollout, members, targets, values) for members in minibatches]
        mean, explained = self._explained(targets[known].double(), values[known].double())
        return {"critic/loss": sum(losses) / len(losses), "critic/value": mean, "critic/explained": explained}

    def _optimizer_step(self, rollout: Minibatches, members: Sequence[int], targets: Tensor, values: Tensor) -> float:
        level = self.critic.level
        known = (~targets[rollout.index(members, level)].isnan()).sum()
        total = int(self.updates.world.all_sum(known))

        def loss(part: list[int]) -> Tensor:
            index = rollout.index(part, level)
            kept = ~targets[index].isnan()
            outputs = self._predict(rollout.pack(part))[kept]
            return self.config.losses(outputs, targets[index][kept], values[index][kept]).sum() / max(total, 1)

        return self.updates.step([partial(loss, part) for part in rollout.micro_batches(members)])["loss"]

    def _predict(self, batch: Batch) -> Tensor:
        return self._checked(self.critic.predict(batch), batch, self.critic.level)

    @staticmethod
    def _checked(outputs: Tensor, batch: Batch, level: Level) -> Tensor:
        units = batch.segments.count(level)
        if outputs.shape != (units,):
            raise ValueError(
                f"the critic's predictions have shape {tuple(outputs.shape)}, but there are {units} units of level "
                f"{level!r}"
            )
        return outputs

    def _explained(self, targets: Tensor, values: Tensor) -> tuple[float, float]:
        """Mean of the values, and 1 − Var(targets − values) / Var(targets), over all processes."""
        error = targets - values
        count = targets.new_tensor(targets.numel())
        sums = [count, values.sum(), targets.sum(), targets.square().sum(), error.sum(), error.square().sum()]
        units, value, target, targets_squared, missed, missed_squared = self.updates.world.all_sum(
            torch.stack(sums)
        ).tolist()
        if not units:
            return 0.0, 0.0
        variance = targets_squared / units - (target / units) ** 2
        left = missed_squared / units - (missed / units) ** 2
        varies = variance > 1e-12 * max(1.0, targets_squared / units)  # less is a rounding error
        return value / units, 1 - left / variance if varies else 0.0


def _check_chances(targets: Tensor) -> None:
    wrong = targets[(targets < 0) | (targets > 1)]
    if wrong.numel():
        raise ValueError(
            f"a critic that learns by cross-entropy predicts numbers between 0 and 1, and should have said "
            f"{wrong[0].item():.3g}: scale the rewards, keep the KL penalty out of them, or use the squared loss"
        )
