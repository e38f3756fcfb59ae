"""`seqpo bench`: the engine, the update and READ/WRITE agents against their baselines, in one run."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro
from rich.console import Console
from tyro.conf import FlagCreatePairsOff


@dataclass(frozen=True)
class Saving:
    """Where a benchmark's result goes, besides the terminal.

    Attributes:
        json: a file for ratios, equality, medians and set-up.
    """

    json: Path | None = None


def bench(arguments: Sequence[str]) -> None:
    """Run the benchmark that the first argument names.

    Raises:
        ValueError: another name.
    """
    from seqpo.bench import read_write, rollout, update

    known: dict[str, tuple[type[Any], Callable[[Any], Any]]] = {
        "rollout": (rollout.RolloutBench, rollout.run),
        "update": (update.UpdateBench, update.run),
        "read-write": (read_write.ReadWriteBench, read_write.run),
    }
    name = arguments[0] if arguments else ""
    if name not in known:
        raise ValueError(f"say which benchmark: {', '.join(known)} (seqpo bench {next(iter(known))} --help)")
    settings, run = known[name]
    saving, rest = tyro.cli(
        Saving, args=arguments[1:], return_unknown_args=True, add_help=False, config=(FlagCreatePairsOff,)
    )
    result = run(tyro.cli(settings, prog=f"seqpo bench {name} [--json FILE]", args=rest))
    Console().print(result.table())
    if saving.json is not None:
        saving.json.parent.mkdir(parents=True, exist_ok=True)
        saving.json.write_text(json.dumps(result.to_json(), indent=2) + "\n", encoding="utf-8")
