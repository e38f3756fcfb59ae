"""`python -m benchmarks NAME`: engine, update and READ/WRITE agents against their baselines, in one run."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro
from rich.console import Console
from tyro.conf import FlagCreatePairsOff

from benchmarks import read_write, rollout, update

KNOWN: dict[str, tuple[type[Any], Callable[[Any], Any]]] = {
    "rollout": (rollout.RolloutBench, rollout.run),
    "update": (update.UpdateBench, update.run),
    "read-write": (read_write.ReadWriteBench, read_write.run),
}


@dataclass(frozen=True)
class Saving:
    """Where a benchmark's result goes, besides the terminal.

    Attributes:
        json: a file for ratios, equality, medians and set-up.
    """

    json: Path | None = None


def main(arguments: Sequence[str]) -> int:
    """Run the benchmark that the first argument names; return the exit status."""
    name = arguments[0] if arguments else ""
    if name not in KNOWN:
        print(f"say which benchmark: {', '.join(KNOWN)} (python -m benchmarks rollout --help)", file=sys.stderr)
        return 2
    settings, run = KNOWN[name]
    saving, rest = tyro.cli(
        Saving, args=arguments[1:], return_unknown_args=True, add_help=False, config=(FlagCreatePairsOff,)
    )
    result = run(tyro.cli(settings, prog=f"python -m benchmarks {name} [--json FILE]", args=rest))
    Console().print(result.table())
    if saving.json is not None:
        saving.json.parent.mkdir(parents=True, exist_ok=True)
        saving.json.write_text(json.dumps(result.to_json(), indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
