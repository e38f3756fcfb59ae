"""Rewards to advantages: how much better than expected a choice was.

    from seqpo import advantages

    advantage = advantages.get("rloo")(rewards.values, batch.segments)

Some need more than rewards (`advantage.needs`): a critic's values, a greedy episode, states; they take it as
`AdvantageInputs`.
Needs torch and two small modules of seqpo, `segments` and `catalogs`, nothing else.
"""

from seqpo.advantages.catalog import CATALOG, get, names
from seqpo.advantages.comparison import Comparison
from seqpo.advantages.critics import cross_entropy_value_loss, squared_value_loss
from seqpo.advantages.gae import GAE
from seqpo.advantages.inputs import Advantage, AdvantageInputs, HasCriticTargets, HasState
from seqpo.advantages.returns import gae
from seqpo.advantages.running import RunningScale, RunningValue
from seqpo.advantages.same_state import SameState

__all__ = [
    "CATALOG",
    "GAE",
    "Advantage",
    "AdvantageInputs",
    "Comparison",
    "HasCriticTargets",
    "HasState",
    "RunningScale",
    "RunningValue",
    "SameState",
    "cross_entropy_value_loss",
    "gae",
    "get",
    "names",
    "squared_value_loss",
]
