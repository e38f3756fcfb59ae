"""The published advantages, each a function of its options."""

from __future__ import annotations

from typing import Any, Literal

from seqpo.advantages import reference
from seqpo.advantages.comparison import Comparison, Credit, Scale
from seqpo.advantages.gae import GAE
from seqpo.advantages.inputs import Advantage
from seqpo.advantages.running import RunningScale, RunningValue
from seqpo.advantages.same_state import SameState
from seqpo.catalogs import Catalog

CATALOG: Catalog[Advantage] = Catalog("advantage", "seqpo.advantages.Advantage", ("needs", "level"), reference)
"""In formulas R is the return of an episode, R_t that from turn t on; means and deviations are the group's where
nothing else is said."""


@CATALOG.published("reinforce", "Williams 1992", r"R")
def reinforce(credit: Credit = "sequence", discount: float = 1.0) -> Advantage:
    """The plain return."""
    return Comparison("none", "none", credit, discount)


@CATALOG.published("grpo", "2402.03300", r"\frac{R - \mathrm{mean}(R)}{\mathrm{std}(R)}")
def grpo(scale: Scale = "group-std") -> Advantage:
    """Return minus the group's mean, over the group's standard deviation."""
    return Comparison("group-mean", scale)


@CATALOG.published("dr-grpo", "2503.20783", r"R - \mathrm{mean}(R)")
def dr_grpo() -> Advantage:
    """Return minus the group's mean."""
    return Comparison("group-mean")


@CATALOG.published("rloo", "2402.14740", r"R_i - \tfrac{1}{G-1} \textstyle\sum_{j \neq i} R_j")
def rloo(scale: Scale = "none") -> Advantage:
    """Return minus the mean of the other episodes of the group."""
    return Comparison("leave-one-out", scale)


@CATALOG.published("remax", "2310.10505", r"R - R(\mathrm{greedy})")
def remax() -> Advantage:
    """Return minus that of the greedy episode from the same start."""
    return Comparison("greedy")


@CATALOG.published("opo", "2505.23585", r"R - \frac{\sum_j T_j R_j}{\sum_j T_j}")
def opo() -> Advantage:
    """Return minus the group's mean, in which longer episodes count more."""
    return Comparison("length-weighted")


@CATALOG.published("lite-ppo", "2508.08221", r"\frac{R - \mathrm{mean}(R)}{\mathrm{std}_{batch}(R)}")
def lite_ppo() -> Advantage:
    """Return minus the group's mean, over the standard deviation of all returns of the step."""
    return Comparison("group-mean", "batch-std")


@CATALOG.published("gpg", "2504.02546", r"\frac{B}{B - M} (R - \mathrm{mean}(R))")
def gpg() -> Advantage:
    """Return minus the group's mean, scaled up by the share M of the B episodes whose group shows no difference."""
    return Comparison("group-mean", "informative")


@CATALOG.published("reinforce++", "2501.03262", r"\frac{R_t - \mathrm{mean}_{batch}(R_t)}{\mathrm{std}_{batch}(R_t)}")
def reinforce_plus_plus(discount: float = 1.0) -> Advantage:
    """Return to go, whitened over all tokens of the step; no group is needed."""
    return Comparison("none", "whiten-tokens", "return-to-go", discount)


@CATALOG.published(
    "reinforce++-baseline",
    "2501.03262",
    r"\frac{\Delta - \mathrm{mean}_{batch}(\Delta)}{\mathrm{std}_{batch}(\Delta)}, \quad \Delta = R - \mathrm{mean}(R)",
)
def reinforce_plus_plus_baseline() -> Advantage:
    """Return minus the group's mean, whitened over all tokens of the step."""
    return Comparison("group-mean", "whiten-tokens")


@CATALOG.published(
    "gdpo",
    "2601.05242",
    r"\frac{R - \mathrm{mean}_{batch}(R)}{\mathrm{std}_{batch}(R)}, \quad R = \textstyle\sum_k w_k z_k",
)
def gdpo() -> Advantage:
    """The return whitened over the episodes of the step; for rewards whose parts were normalised one by one."""
    return Comparison("none", "whiten-units")


@CATALOG.published("return-to-go", "Sutton et al. 1999", r"\frac{R_t - \mathrm{mean}(R_t)}{\mathrm{std}_{batch}}")
def return_to_go(discount: float = 1.0, scale: Scale = "whiten-units") -> Advantage:
    """What is still to come, minus its mean at the same turn in the group, whitened over the turns of the step."""
    return Comparison("group-mean", scale, "return-to-go", discount)


@CATALOG.published("gigpo", "2505.10978, Eq. 8", r"A_{episode} + \omega\, A_{state}")
def gigpo(weight: float = 1.0, discount: float = 0.95, scale: Literal["group-std", "none"] = "group-std") -> Advantage:
    """The group's comparison of episodes, plus one of returns to go from the same state."""
    return SameState(weight, discount, scale)


@CATALOG.published("sppo", "2604.08865, Eq. 1", r"R - V(s_{prompt})")
def sppo(credit: Credit = "sequence") -> Advantage:
    """Return minus a critic's value of the start; not Self-Play Preference Optimization, which shares the name.

    With `return-to-go`, what is still to come minus the value of each turn.
    """
    return Comparison("value", "none", credit)


@CATALOG.published(
    "gae",
    "1506.02438, Eq. 16",
    r"\textstyle\sum_l (\gamma\lambda)^l \delta_{t+l}, \quad \delta_t = r_t + \gamma V_{t+1} - V_t",
)
def gae(
    level: Literal["token", "turn"] = "token", discount: float = 1.0, gae_lambda: float = 1.0, whiten: bool = True
) -> Advantage:
    """PPO's advantage on a critic's values of every token, or every turn."""
    return GAE(level, discount, gae_lambda, whiten)


@CATALOG.published("gu", "1610.00388, Section 4.3", r"\frac{R_t - b_\varphi(o_t) - b}{\sqrt{\sigma^2 + \epsilon}}")
def gu(discount: float = 1.0, rate: float = 0.1) -> Advantage:
    """Return to go minus a learned baseline of each step, centred and scaled by running averages."""
    return RunningScale(Comparison("value", "none", "return-to-go", discount), rate)


@CATALOG.published(
    "spo",
    "2509.13232",
    r"\frac{\Delta - \mathrm{mean}_{batch}(\Delta)}{\mathrm{std}_{batch}(\Delta)}, \quad \Delta = R - \hat v_{prompt}",
)
def spo(prior: float = 0.5, visits: float = 8.0, rho: float = 0.96) -> Advantage:
    """Return minus a value of the start that is tracked from visit to visit, whitened over the step.

    The paper forgets faster the further the policy has moved; here the weight ρ of the past is constant, its largest.
    """
    return RunningValue(prior, visits, rho)


def names() -> tuple[str, ...]:
    """Names of the published advantages."""
    return tuple(CATALOG)


def get(name: str, **options: Any) -> Advantage:
    """Build a published advantage, with its defaults where no option says otherwise.

    Raises:
        ValueError: an unknown name or option, or options without meaning together.
    """
    return CATALOG.build(name, **options)
