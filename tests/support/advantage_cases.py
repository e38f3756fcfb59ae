"""Every published advantage, with its defaults and with other options, and which laws it obeys."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from seqpo import advantages
from seqpo.advantages import Advantage
from seqpo.advantages.reference import Batch


@dataclass(frozen=True)
class Case:
    """An advantage, by name and options.

    Attributes:
        spans: whether its statistics are those of the whole optimizer step.
        ignores: a constant at the end of every episode that it does not see: of one group, of all, or none.
        unitless: whether it stays when all rewards are multiplied, rather than being multiplied as well.
    """

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    spans: bool = False
    ignores: Literal["group", "step", "nothing"] = "nothing"
    unitless: bool = False

    def __str__(self) -> str:
        return "-".join([self.name, *(f"{key}={value}" for key, value in self.options.items())])

    def build(self) -> Advantage:
        return advantages.get(self.name, **self.options)

    def reference(self, *steps: Batch) -> list[float]:
        loop = advantages.CATALOG[self.name].reference
        assert loop is not None
        return loop(*steps, **self.options)


STEP: dict[str, Any] = {"spans": True, "ignores": "step", "unitless": True}
GROUP_THEN_STEP: dict[str, Any] = {"spans": True, "ignores": "group", "unitless": True}

CASES = [
    Case("reinforce"),
    Case("reinforce", {"credit": "return-to-go", "discount": 0.5}),
    Case("grpo", ignores="group", unitless=True),
    Case("grpo", {"scale": "whiten-tokens"}, **GROUP_THEN_STEP),
    Case("dr-grpo", ignores="group"),
    Case("rloo", ignores="group"),
    Case("rloo", {"scale": "group-std"}, ignores="group", unitless=True),
    Case("rloo", {"scale": "batch-std"}, **STEP),
    Case("remax"),
    Case("opo", ignores="group"),
    Case("lite-ppo", **STEP),
    Case("gpg", spans=True, ignores="group"),
    Case("reinforce++", **STEP),
    Case("reinforce++", {"discount": 0.5}, spans=True, unitless=True),
    Case("reinforce++-baseline", **GROUP_THEN_STEP),
    Case("gdpo", **STEP),
    Case("return-to-go", **GROUP_THEN_STEP),
    Case("return-to-go", {"scale": "none", "discount": 0.5}),
    Case("return-to-go", {"scale": "group-std"}, ignores="group", unitless=True),
    Case("return-to-go", {"scale": "batch-std"}, **STEP),
    Case("return-to-go", {"scale": "informative"}, spans=True, ignores="group"),
    Case("gigpo", unitless=True),
    Case("gigpo", {"weight": 0.5, "discount": 1.0, "scale": "none"}, ignores="group"),
    Case("sppo"),
    Case("sppo", {"credit": "return-to-go"}),
    Case("gae", **STEP),
    Case("gae", {"level": "turn", "discount": 0.5, "gae_lambda": 0.5, "whiten": False}),
    Case("gae", {"gae_lambda": 0.0}, spans=True, unitless=True),
    Case("gu", **STEP),
    Case("gu", {"discount": 0.5, "rate": 0.5}, spans=True, unitless=True),
    Case("spo", **STEP),
    Case("spo", {"prior": 0.25, "visits": 2.0, "rho": 0.9}, **STEP),
]
