"""The published objectives, each an entry of the one formula: its parts, its defaults, its paper.

Every entry is a function of its options: `get("dr-grpo", max_length=100)` is `dr_grpo(max_length=100)`.
Where a `level` can be chosen, the importance weight can be a token's, a turn's or a sequence's.
"""

from __future__ import annotations

from typing import Any

from seqpo.catalogs import Catalog
from seqpo.objectives import reference
from seqpo.objectives.formula import Objective
from seqpo.objectives.gates import LOG_SPACE_SHAPES, Gate, Identity, LogSpaceGate, OneSidedClamp, SigmoidGate
from seqpo.objectives.weightings import CappedScore, Clip, GammaScore, Linear, ScoreFunction
from seqpo.segments import Level

CATALOG: Catalog[Objective] = Catalog("objective", "seqpo.objectives.PolicyLoss", ("credit_level",), reference)
"""Formulas say what is maximised; r is a token's ratio, T the tokens of an episode, E the mean over the episodes."""


@CATALOG.published("reinforce", "Williams 1992", r"\mathbb{E} \sum_t A_t \log \pi_\theta(y_t)")
def reinforce() -> Objective:
    """The log-prob of each token by its advantage, summed over the episode; no ratio."""
    return Objective("token", Identity(), ScoreFunction(), "sequence-sum")


@CATALOG.published(
    "ppo",
    "1707.06347, Eq. 7; dual clip: 1912.09729, Eq. 5",
    r"\tfrac{1}{\sum T} \sum_t \min\big(r_t A_t,\ \mathrm{clip}(r_t, 1-\epsilon, 1+\epsilon) A_t\big)",
)
def ppo(level: Level = "token", epsilon: float = 0.2, dual: float | None = None) -> Objective:
    """PPO's pessimistic clip, averaged over all tokens; `dual` bounds bad tokens that have become likely."""
    return Objective(level, Identity(), Clip(epsilon, epsilon, dual), "token-mean")


@CATALOG.published(
    "grpo",
    "2402.03300, Eq. 3",
    r"\mathbb{E}\, \tfrac{1}{T} \sum_t \min\big(r_t A,\ \mathrm{clip}(r_t, 1-\epsilon, 1+\epsilon) A\big)",
)
def grpo(level: Level = "token", epsilon: float = 0.2, dual: float | None = None) -> Objective:
    """PPO's clip per token, averaged over the tokens of an episode, then over episodes."""
    return Objective(level, Identity(), Clip(epsilon, epsilon, dual), "sequence-mean")


@CATALOG.published(
    "dr-grpo",
    "2503.20783",
    r"\mathbb{E}\, \tfrac{1}{L} \sum_t \min\big(r_t A,\ \mathrm{clip}(r_t, 1-\epsilon, 1+\epsilon) A\big)",
)
def dr_grpo(max_length: int = 1024, level: Level = "token", epsilon: float = 0.2) -> Objective:
    """GRPO divided by a constant length instead of each episode's own: no length bias."""
    return Objective(
        level, Identity(), Clip(epsilon, epsilon), "constant-length", credit="token", max_length=max_length
    )


@CATALOG.published(
    "dapo",
    "2503.14476, Eq. 8",
    r"\tfrac{1}{\sum T} \sum_t \min\big(r_t A,\ \mathrm{clip}(r_t, 1-\epsilon_{low}, 1+\epsilon_{high}) A\big)",
)
def dapo(level: Level = "token", epsilon_low: float = 0.2, epsilon_high: float = 0.28) -> Objective:
    """GRPO with a higher upper clip (clip-higher) and the mean over all tokens."""
    return Objective(level, Identity(), Clip(epsilon_low, epsilon_high), "token-mean")


@CATALOG.published(
    "gspo",
    "2507.18071, Eq. 5",
    r"\mathbb{E} \min\big(s A,\ \mathrm{clip}(s, 1-\epsilon_{low}, 1+\epsilon_{high}) A\big),"
    r"\quad s = \exp\big(\tfrac{1}{T} \sum_t \log r_t\big)",
)
def gspo(level: Level = "sequence", epsilon_low: float = 3e-4, epsilon_high: float = 4e-4) -> Objective:
    """PPO's clip on the length-normalised ratio of the whole sequence."""
    return Objective(level, Identity(), Clip(epsilon_low, epsilon_high), "sequence-mean")


@CATALOG.published(
    "gspo-token",
    "2507.18071, Eq. 13",
    r"\mathbb{E}\, \tfrac{1}{T} \sum_t \min\big(s_t A_t,\ "
    r"\mathrm{clip}(s_t, 1-\epsilon_{low}, 1+\epsilon_{high}) A_t\big),"
    r"\quad s_t = \mathrm{sg}[s]\, \frac{\pi_\theta(y_t)}{\mathrm{sg}[\pi_\theta(y_t)]}",
)
def gspo_token(level: Level = "sequence", epsilon_low: float = 3e-4, epsilon_high: float = 4e-4) -> Objective:
    """GSPO with an advantage for each token: the value is the sequence's ratio, the gradient each token's own."""
    return Objective(level, Identity(), Clip(epsilon_low, epsilon_high), "sequence-mean", credit="token")


@CATALOG.published(
    "gmpo",
    "2507.20673, Eq. 4",
    r"\mathbb{E}\, \exp\big(\tfrac{1}{T} \sum_t \tilde d_t\big) A,"
    r"\quad \tilde d_t = s \min(s\, d_t,\ s\, \mathrm{clip}(d_t, -\epsilon, \epsilon)),\ s = \mathrm{sign} A",
)
def gmpo(level: Level = "sequence", epsilon: float = 0.4) -> Objective:
    """The geometric mean of ratios that are clamped per token in log space, on the side that A pushes to."""
    return Objective(level, OneSidedClamp(epsilon), Linear(), "sequence-mean")


@CATALOG.published(
    "hmpo",
    "2507.20673, the harmonic variant of its released code",
    r"\mathbb{E}\, T \big/ \textstyle\sum_t e^{-\tilde d_t}\; A",
)
def hmpo(level: Level = "sequence", epsilon: float = 0.4) -> Objective:
    """GMPO with the harmonic mean of the clamped ratios instead of the geometric one."""
    return Objective(level, OneSidedClamp(epsilon), Linear(), "sequence-mean", pool="harmonic")


@CATALOG.published(
    "sapo",
    "2511.20347",
    r"\mathbb{E}\, \tfrac{1}{T} \sum_t f_\tau(r_t) A, \quad f_\tau(r) = \tfrac{4}{\tau} \sigma(\tau (r - 1))",
)
def sapo(level: Level = "token", tau_pos: float = 1.0, tau_neg: float = 1.05) -> Objective:
    """A sigmoid gate on each token's ratio instead of the clip; its temperature depends on the sign of A."""
    return Objective(level, SigmoidGate(tau_pos, tau_neg), Linear(), "sequence-mean")


@CATALOG.published(
    "sspo",
    "2602.19327 (reconstruction: its equations could not be read)",
    r"\mathbb{E}\, \exp\big(\tfrac{1}{T} \sum_t \varphi_\tau(d_t)\big) A,"
    r"\quad \varphi_\tau(d) = \tfrac{1}{\tau} \arctan(\tau d)",
)
def sspo(gate: str = "arctan", level: Level = "sequence", tau_pos: float = 1.0, tau_neg: float = 1.05) -> Objective:
    """A soft gate per token inside the geometric mean of the whole sequence.

    Reconstructed from the abstracts and from notes. Assumed: the weight is the geometric mean over all action
    tokens of the gated ratios; the gate is arctan of the log-ratio (third version) or SAPO's sigmoid (first
    version), scaled to a slope of 1 at ratio 1; one temperature for each sign of the advantage, with SAPO's values;
    no clip, the plain mean over sequences. erf, softsign and tanh are the other families that the companion study
    (2602.19345) names or admits.
    """
    if gate != "sigmoid" and gate not in LOG_SPACE_SHAPES:
        raise ValueError(f"unknown gate {gate!r}: choose one of sigmoid, {', '.join(LOG_SPACE_SHAPES)}")
    phi: Gate = SigmoidGate(tau_pos, tau_neg) if gate == "sigmoid" else LogSpaceGate(gate, tau_pos, tau_neg)
    return Objective(level, phi, Linear(), "sequence-mean")


@CATALOG.published(
    "cispo",
    "2506.13585, Eq. 4",
    r"\tfrac{1}{\sum T} \sum_t \mathrm{sg}[\mathrm{clip}(r_t, 1-\epsilon_{low}, 1+\epsilon_{high})]\, "
    r"A \log \pi_\theta(y_t)",
)
def cispo(level: Level = "token", epsilon_low: float = 1.0, epsilon_high: float = 0.2) -> Objective:
    """The capped, detached ratio on A·log π: every token keeps a gradient."""
    return Objective(level, Identity(), CappedScore(epsilon_low, epsilon_high), "token-mean", credit="token")


@CATALOG.published(
    "vespo",
    "2602.10693",
    r"\tfrac{1}{\sum T} \sum_t \mathrm{sg}[\phi(W)]\, A \log \pi_\theta(y_t),"
    r"\quad \phi(W) = W^k e^{\lambda (1 - W)},\ W = \textstyle\prod_t r_t",
)
def vespo(
    level: Level = "sequence",
    k_pos: float = 2.0,
    lambda_pos: float = 3.0,
    k_neg: float = 3.0,
    lambda_neg: float = 2.0,
) -> Objective:
    """A smooth kernel of the sequence's true ratio, not normalised by length, detached, on A·log π."""
    weighting = GammaScore(k_pos, lambda_pos, k_neg, lambda_neg)
    return Objective(level, Identity(), weighting, "token-mean", pool="product", credit="token")


@CATALOG.published(
    "luspo",
    "2602.05261",
    r"\mathbb{E}\, T \min\big(s A,\ \mathrm{clip}(s, 1-\epsilon_{low}, 1+\epsilon_{high}) A\big)",
)
def luspo(level: Level = "sequence", epsilon_low: float = 2e-3, epsilon_high: float = 2.5e-3) -> Objective:
    """GSPO with each sequence multiplied by its length, so that its tokens don't count less in longer ones."""
    return Objective(level, Identity(), Clip(epsilon_low, epsilon_high), "sequence-sum", credit="token")


@CATALOG.published("gpg", "2504.02546", r"\tfrac{1}{\sum T} \sum_t A \log \pi_\theta(y_t)")
def gpg() -> Objective:
    """The log-prob of each token by its advantage, averaged over all tokens; no ratio."""
    return Objective("token", Identity(), ScoreFunction(), "token-mean")


def names() -> tuple[str, ...]:
    """Names of the published objectives."""
    return tuple(CATALOG)


def get(name: str, **options: Any) -> Objective:
    """Build a published objective, with its paper's defaults where no option says otherwise.

    Raises:
        ValueError: an unknown name or option, or options without meaning together.
    """
    return CATALOG.build(name, **options)
