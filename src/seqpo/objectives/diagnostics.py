"""What a loss tells about itself: sums that add up over micro-batches and processes, and what they mean."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Diagnostics:
    """How far the policy has moved from the one that sampled, and what the objective made of it.

    The parts of an optimizer step add up (`+`, or a sum of `sums` over processes); `as_dict` reads the total.

    Attributes:
        sums: `[5]` detached shares of all action tokens of the step: |r − 1| of the plain ratio r at the
            objective's level; tokens whose gradient a clip or clamp removed; the k3 estimate of
            KL(behaviour ‖ current); the weight w; and w².
    """

    sums: Tensor

    def __add__(self, other: Diagnostics) -> Diagnostics:
        """Join two parts of a step."""
        return Diagnostics(self.sums + other.sums)

    def as_dict(self) -> dict[str, float]:
        """Read the numbers (this waits for the device).

        Returns:
            `ratio_deviation`, `no_gradient` and `kl_behaviour`, averaged over tokens, and
            `effective_sample_size`: (Σw)² / (n·Σw²), 1 where all weights are equal.
        """
        deviation, stopped, kl, weight, square = self.sums.tolist()
        return {
            "ratio_deviation": deviation,
            "no_gradient": stopped,
            "kl_behaviour": kl,
            "effective_sample_size": weight**2 / square if square else 0.0,
        }
