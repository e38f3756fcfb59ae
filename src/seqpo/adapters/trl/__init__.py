"""TRL: GRPOTrainer with seqpo's objectives and advantages, and multi-turn episodes as its completions.

    trainer = SeqPOTrainer(model, reward, args, train_dataset=prompts, objective="sspo", advantage="rloo")

Tested with TRL 1.16.0. It overrides members of GRPOTrainer that TRL doesn't promise to keep, so pin the version.
"""

from __future__ import annotations

try:
    import trl  # noqa: F401  # the message is better than the one of a submodule
except ImportError as error:
    raise ImportError(
        "seqpo.adapters.trl needs TRL, and was tested with version 1.16.0: pip install 'seqpo[trl]'"
    ) from error

from seqpo.adapters.trl.rollout import Rollout, as_completions, scored_by
from seqpo.adapters.trl.trainer import SeqPOTrainer, action_mask, compare

__all__ = ["Rollout", "SeqPOTrainer", "action_mask", "as_completions", "compare", "scored_by"]
