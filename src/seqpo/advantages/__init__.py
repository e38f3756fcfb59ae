"""Rewards to advantages: how much better than expected a choice was.

    from seqpo import advantages

    advantage = advantages.get("rloo")(rewards.values, batch.segments)

Some need more than rewards (`advantage.needs`): a critic's values, a greedy episode, states; they take it as `Given`.
Needs torch and two small modules of seqpo, `segments` and `catalogs`, nothing else.
"""

from seqpo.advantages.catalog import CATALOG, get, names
from seqpo.advantages.critics import cross_entropy_value_loss, squared_value_loss
from seqpo.advantages.gae import GAE
from seqpo.advantages.given import Advantage, Given, Remembers, Teaches
from seqpo.advantages.parts import Comparison
from seqpo.advantages.returns import gae
from seqpo.advantages.running import RunningScale, RunningValue
from seqpo.advantages.same_state import SameState

__all__ = [
    "CATALOG",
    "GAE",
    "Advantage",
    "Comparison",
    "Given",
    "Remembers",
    "RunningScale",
    "RunningValue",
    "SameState",
    "Teaches",
    "cross_entropy_value_loss",
    "gae",
    "get",
    "names",
    "squared_value_loss",
]
