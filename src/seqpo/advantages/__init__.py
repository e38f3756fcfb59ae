"""Rewards to advantages: how much better than expected a choice was.

    from seqpo import advantages

    advantage = advantages.get("rloo")(rewards.values, batch.segments)

Needs torch and `seqpo.segments`, nothing else.
"""

from seqpo.advantages.catalog import CATALOG, Entry, get, names
from seqpo.advantages.parts import Advantage

__all__ = ["CATALOG", "Advantage", "Entry", "get", "names"]
