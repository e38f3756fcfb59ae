"""Log-ratios to a loss: one formula, its shapes, and the catalog of published objectives.

    from seqpo import objectives

    loss = objectives.get("sspo")(logprobs, behaviour, advantages, segments)
    loss.value.backward()

Needs torch and `seqpo.segments`, nothing else.
"""

from seqpo.objectives.catalog import CATALOG, Entry, get, names
from seqpo.objectives.formula import Loss, Objective
from seqpo.objectives.kl import KL_FORMS, kl_penalty

__all__ = ["CATALOG", "KL_FORMS", "Entry", "Loss", "Objective", "get", "kl_penalty", "names"]
