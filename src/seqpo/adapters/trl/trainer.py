"""GRPOTrainer with another loss and another advantage."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor
from trl import GRPOTrainer

from seqpo import advantages, objectives
from seqpo.adapters.trl.options import DECIDED_BY_ADVANTAGE, DECIDED_BY_OBJECTIVE
from seqpo.advantages import Advantage, HasState
from seqpo.objectives import Diagnostics, Padded, PolicyLoss, kl_penalty
from seqpo.objectives.kl import KLForm
from seqpo.records import refuse_changed
from seqpo.segments import Denominators
from seqpo.training.requirements import check_credit
from seqpo.types import Rewards

_VISION = (
    "pixel_values",
    "image_grid_thw",
    "num_images",
    "pixel_attention_mask",
    "spatial_shapes",
    "num_tiles",
    "image_sizes",
    "token_type_ids",
    "mm_token_type_ids",
    "image_position_ids",
)


class SeqPOTrainer(GRPOTrainer):  # type: ignore[misc]  # TRL has no types
    """GRPOTrainer with another loss and another advantage; everything else is TRL's.

    A row is an episode, a run of its action tokens a turn; the reward functions score whole episodes. Denominators
    are counts of the whole optimizer step, over its micro-batches and all processes, so the gradient does not
    depend on `per_device_train_batch_size`. With `beta`, β · KL to the reference, averaged over the action tokens
    of the step, is added to the loss: with the gradient of the KL itself (k3+), or with that of k3 where
    `use_bias_correction_kl` is off.

    Args:
        arguments: GRPOTrainer's own.
        objective: a seqpo objective, or its name in the catalog.
        advantage: a seqpo advantage, or its name in the catalog; one that needs nothing but rewards.
        options: GRPOTrainer's own.

    Raises:
        ValueError: an option of GRPOConfig that would have no effect, accumulation windows that lie across
            generations, or an advantage that can't be had here, or not with this objective.
    """

    _tag_names = ("trl", "seqpo")
    _name = "SeqPO"
    _paper: ClassVar[dict[str, str]] = {}  # of the model card: GRPO's would be wrong

    def __init__(
        self,
        *arguments: Any,
        objective: PolicyLoss | str = "sspo",
        advantage: Advantage | str = "rloo",
        **options: Any,
    ) -> None:
        self.objective = objectives.get(objective) if isinstance(objective, str) else objective
        self.advantage = advantages.get(advantage) if isinstance(advantage, str) else advantage
        _check_advantage(self.advantage)
        check_credit(self.objective, self.advantage)
        super().__init__(*arguments, **options)
        _check_config(self.args)
        if self.aux_loss_enabled:
            raise ValueError("router_aux_loss_coef: the routers' auxiliary loss is not supported here; set it to 0")
        self._sums: Tensor | None = None

    def _calculate_rewards(self, *arguments: Any) -> Tensor:
        """`[episodes, functions]` of all processes; kept for the advantage."""
        rewards: Tensor = super()._calculate_rewards(*arguments)
        self._rewards = rewards
        return rewards

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        """Put seqpo's advantages, `[batch, time]`, in the place of TRL's."""
        output: dict[str, Any] = super()._generate_and_score_completions(inputs)
        output["advantages"] = self._compare(action_mask(output))
        return output

    def _compare(self, mask: Tensor) -> Tensor:
        """Compare the episodes of all processes: `[batch, time]` advantages of this process's own."""
        every = self.accelerator.gather(self.accelerator.pad_across_processes(mask, dim=1))
        rewards = (self._rewards * self.reward_weights.to(self._rewards.device)).nansum(dim=1)
        rewards[self._rewards.isnan().all(dim=1)] = torch.nan
        size = self.num_generations if self.model.training else self.num_generations_eval
        compared = compare(self.advantage, rewards, every, size)
        means = (compared.sum(dim=1) / every.sum(dim=1).clamp(min=1)).tolist()
        table = self._logs["advantages"]  # holds TRL's, which nothing has been trained on
        for place in range(1, min(len(means), len(table)) + 1):
            table[-place] = means[-place]
        first = self.accelerator.process_index * len(mask)
        own: Tensor = compared[first : first + len(mask), : mask.shape[1]]
        return own

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> Tensor:
        """Compute the share of a micro-batch in the loss of its optimizer step."""
        mask = action_mask(inputs)
        denominators = self._denominators(inputs)
        logprobs, entropies = self._score(model, inputs)
        if mask.any():
            value, sums = self._part(Padded.of(mask), logprobs, entropies, inputs, denominators)
        else:  # all processes take part in the backward pass
            value, sums = 0 * logprobs.sum(), logprobs.new_zeros(7)
        self._log_sums(sums)
        share: Tensor = value * self.accelerator.num_processes  # gradients of processes are averaged
        return share

    def _part(
        self, layout: Padded, logprobs: Tensor, entropies: Tensor, inputs: dict[str, Any], denominators: Denominators
    ) -> tuple[Tensor, Tensor]:
        """Return the loss, and `[7]` sums: of the diagnostics, of the entropy and of the KL to the reference."""
        current = layout.flat(logprobs)
        credit = inputs["advantages"]
        if "importance_sampling_ratio" in inputs:  # vLLM's: every term is linear in its advantage
            credit = credit * inputs["importance_sampling_ratio"]
        behaviour = layout.flat(self._behaviour(logprobs.detach(), inputs))
        loss = self.objective(current, behaviour, layout.flat(credit), layout.segments, denominators)
        value, entropy = loss.value, layout.flat(entropies).detach().sum() / denominators.tokens
        distance = torch.zeros_like(entropy)
        if self.beta:
            reference = layout.flat(inputs["ref_per_token_logps"])
            form: KLForm = "k3+" if self.args.use_bias_correction_kl else "k3"
            distance = kl_penalty(current, reference, form).sum() / denominators.tokens
            value = value + self.beta * distance
        return value, torch.cat([loss.diagnostics.sums, torch.stack([entropy, distance.detach()])])

    def _score(self, model: Any, inputs: dict[str, Any]) -> tuple[Tensor, Tensor]:
        """`[batch, time]` log-probs and entropies of the completions."""
        logprobs, entropies, _ = self._get_per_token_logps_and_entropies(
            model,
            torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], dim=1),
            torch.cat([inputs["prompt_mask"], inputs["completion_mask"]], dim=1),
            inputs["completion_ids"].shape[1],
            compute_entropy=True,
            **{name: inputs[name] for name in _VISION if name in inputs},
        )
        return logprobs, entropies

    def _behaviour(self, logprobs: Tensor, inputs: dict[str, Any]) -> Tensor:
        """`[batch, time]` log-probs under the policy that sampled: TRL's, the rollout function's, or the current."""
        if "old_per_token_logps" in inputs:
            old: Tensor = inputs["old_per_token_logps"]
            return old
        if self.rollout_func is not None and "sampling_per_token_logps" in inputs:
            sampled: Tensor = inputs["sampling_per_token_logps"]
            return sampled.where(~sampled.isnan(), logprobs)
        return logprobs

    def _denominators(self, inputs: dict[str, Any]) -> Denominators:
        """Count the episodes and action tokens of the whole optimizer step, or of an evaluated batch."""
        parts = [inputs]
        if self.model.training:
            size, buffered = self.args.gradient_accumulation_steps, self._buffered_inputs
            first = self._step // size * size
            parts = [buffered[number % len(buffered)] for number in range(first, first + size)]
        masks = [action_mask(part) for part in parts]
        counts = torch.stack([torch.stack([mask.any(dim=1).sum(), mask.sum()]) for mask in masks]).sum(dim=0)
        return Denominators(*self.accelerator.reduce(counts, reduction="sum").tolist())

    def _log_sums(self, sums: Tensor) -> None:
        """Log what the parts of an optimizer step have added up to, when it is whole."""
        sums = sums.float()  # whatever each process computes in
        self._sums = sums if self._sums is None else self._sums + sums
        if not self.accelerator.sync_gradients:
            return
        *_, entropy, distance = whole = self.accelerator.reduce(self._sums, reduction="sum")
        metrics = Diagnostics(whole[:-2]).as_dict() | {"entropy": float(entropy)}
        if self.beta:
            metrics["kl"] = float(distance)
        for name, value in metrics.items():
            self._metrics["train" if self.model.training else "eval"][name].append(value)
        self._sums = None


def action_mask(inputs: dict[str, Any]) -> Tensor:
    """`[batch, time]` 1 at the tokens of TRL's completions that the policy chose: no tool's, no environment's."""
    mask: Tensor = inputs["completion_mask"]
    return mask * inputs["tool_mask"] if "tool_mask" in inputs else mask


def compare(advantage: Advantage, rewards: Tensor, mask: Tensor, group_size: int) -> Tensor:
    """Turn rewards of episodes into advantages of their action tokens.

    Args:
        advantage: compares the episodes of a group.
        rewards: `[batch]`, one per episode; NaN where it could not be scored.
        mask: `[batch, time]` where the action tokens are; a row without any takes no part.
        group_size: rows that follow each other and started from the same prompt.

    Returns:
        `[batch, time]`, 0 outside the mask.
    """
    if not mask.any():
        return rewards.new_zeros(mask.shape)
    layout = Padded.of(mask, torch.arange(len(mask), device=mask.device) // group_size)
    paid = Rewards.at_end(rewards[layout.rows], layout.segments, {}).values
    return layout.pad(advantage(paid, layout.segments))


def _check_advantage(advantage: Advantage) -> None:
    if advantage.needs:
        raise ValueError(f"this advantage needs {', '.join(advantage.needs)}, and TRL's trainer has rewards alone")
    if isinstance(advantage, HasState):
        raise ValueError("this advantage learns from batch to batch, and TRL's checkpoints would not keep its memory")


def _check_config(args: Any) -> None:
    refuse_changed(args, DECIDED_BY_OBJECTIVE, "the objective decides it")
    refuse_changed(args, DECIDED_BY_ADVANTAGE, "the advantage decides it")
    reused = args.steps_per_generation * args.num_iterations
    if reused % args.gradient_accumulation_steps:
        raise ValueError(
            f"gradient_accumulation_steps = {args.gradient_accumulation_steps} must divide steps_per_generation × "
            f"num_iterations = {reused}, for an optimizer step is made of episodes that are all there when it begins"
        )
