"""Log-ratios to a loss: one formula, its parts, and the catalog of published objectives.

    from seqpo import objectives

    loss = objectives.get("sspo")(logprobs, behaviour, advantages, segments)
    loss.value.backward()

Needs torch and two small modules of seqpo, `segments` and `catalogs`, nothing else. `Padded` turns the padded tensors
of other trainers into segments.
"""

from seqpo.objectives.catalog import (
    CATALOG,
    cispo,
    dapo,
    dr_grpo,
    get,
    gmpo,
    gpg,
    grpo,
    gspo,
    gspo_token,
    hmpo,
    luspo,
    names,
    ppo,
    reinforce,
    sapo,
    sspo,
    vespo,
)
from seqpo.objectives.correction import SamplerCorrection
from seqpo.objectives.diagnostics import Diagnostics
from seqpo.objectives.entropy import exact_entropy, sampled_entropy
from seqpo.objectives.formula import Loss, Objective, PolicyLoss
from seqpo.objectives.gates import Gate, Identity, LogSpaceGate, OneSidedClamp, SigmoidGate
from seqpo.objectives.kl import KL_FORMS, kl_penalty
from seqpo.objectives.padded import Padded
from seqpo.objectives.weightings import CappedScore, Clip, GammaScore, Linear, ScoreFunction, Weighting

__all__ = [
    "CATALOG",
    "KL_FORMS",
    "CappedScore",
    "Clip",
    "Diagnostics",
    "GammaScore",
    "Gate",
    "Identity",
    "Linear",
    "LogSpaceGate",
    "Loss",
    "Objective",
    "OneSidedClamp",
    "Padded",
    "PolicyLoss",
    "SamplerCorrection",
    "ScoreFunction",
    "SigmoidGate",
    "Weighting",
    "cispo",
    "dapo",
    "dr_grpo",
    "exact_entropy",
    "get",
    "gmpo",
    "gpg",
    "grpo",
    "gspo",
    "gspo_token",
    "hmpo",
    "kl_penalty",
    "luspo",
    "names",
    "ppo",
    "reinforce",
    "sampled_entropy",
    "sapo",
    "sspo",
    "vespo",
]
