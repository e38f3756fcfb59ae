"""When the sampler is not quite the trainer: truncated and masked importance correction.

A rollout engine that runs in other kernels or another precision samples from π_sampler, not from the trainer's
π_behaviour. Objectives take the trainer's log-probs as behaviour; their terms are then weighed by
c = π_behaviour / π_sampler, cut where it is not to be trusted. All ψ are linear in the advantage at its sign, so
a weight c ≥ 0 of a term is a weight of its advantage.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from seqpo.segments import Level, Segments

Form = Literal["none", "truncate", "mask", "reject"]
_MAX = 20.0


@dataclass(frozen=True)
class SamplerCorrection:
    """Weighs advantages by how far the trainer's policy is from the one that sampled.

    Attributes:
        form: `truncate` takes min(max(c, low), high) (TIS); `mask` takes c where low ≤ c ≤ high, else 0 (MIS,
            IcePop); `reject` takes 1 there, else 0; `none` takes 1 everywhere.
        level: whose ratio c is: a token's, a turn's or a sequence's.
        mean: whether c of several tokens is their geometric mean rather than their product.
        low: smallest trusted ratio.
        high: largest trusted ratio.

    Raises:
        ValueError: an unknown form or level, or bounds that leave out c = 1.
    """

    form: Form = "truncate"
    level: Level = "token"
    mean: bool = False
    low: float = 0.0
    high: float = 2.0

    def __post_init__(self) -> None:
        for name, kind in (("form", Form), ("level", Level)):
            if getattr(self, name) not in get_args(kind):
                raise ValueError(f"unknown {name} {getattr(self, name)!r}: choose one of {', '.join(get_args(kind))}")
        if not 0 <= self.low <= 1 <= self.high:
            raise ValueError(f"equal policies have ratio 1, which the bounds {self.low} … {self.high} leave out")

    @torch.no_grad()
    def __call__(self, advantages: Tensor, behaviour: Tensor, sampler: Tensor, segments: Segments) -> Tensor:
        """Weigh the advantages.

        Args:
            advantages: `[N]`.
            behaviour: `[N]` log-probs under the trainer's policy when the rollout began.
            sampler: `[N]` log-probs under the distribution sampled from; NaN, where it is unknown, counts as
                equal to the trainer's.
            segments: turns and episodes of the N tokens.

        Returns:
            `[N]` advantages · c. A token that is left out keeps its place in every denominator.
        """
        if self.form == "none":
            return advantages
        difference = torch.nan_to_num(behaviour - sampler, nan=0.0)
        pooled = segments.mean(difference, self.level) if self.mean else segments.sum(difference, self.level)
        ratio = torch.exp(segments.spread(pooled.clamp(-_MAX, _MAX), self.level))
        if self.form == "truncate":
            return advantages * ratio.clamp(self.low, self.high)
        trusted = (ratio >= self.low) & (ratio <= self.high)
        return advantages * torch.where(trusted, ratio if self.form == "mask" else 1.0, 0.0)
