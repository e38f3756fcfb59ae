"""Two processes do what one does, whatever way they share the model, and go on where the other stopped."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from seqpo.training.world import World
from tests.support.distributed_worker import STEPS, run
from tests.support.translation import rows, weights

CASES = (
    "supervised",
    "grpo dr-grpo reward",
    "sspo grpo k3+",
    "dapo lite-ppo k3",
    "vespo spo k2",
    "gspo-token gigpo k3",
    "luspo reinforce++ reward",
    "grpo gu reward",
    "sspo sppo k3",
)
WITH_CRITIC = CASES[-2:]
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")
LAST, MIDDLE = f"checkpoint-{STEPS:08d}", f"checkpoint-{STEPS // 2:08d}"

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.slow


def launch(*arguments: str) -> None:
    """Run a script or module in two processes on one thread each."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [*TORCHRUN, *arguments], env=environment, capture_output=True, text=True, timeout=150, check=False
    )
    assert done.returncode == 0, done.stderr


def together(parallel: str, folders: Mapping[str, Path]) -> None:
    worker = str(ROOT / "tests" / "support" / "distributed_worker.py")
    launch(worker, parallel, *(f"{case}={folder}" for case, folder in folders.items()))


def halfway(run: Path, folder: Path) -> Path:
    """A stage as it was when its first checkpoint had been written."""
    shutil.copytree(run / MIDDLE, folder / MIDDLE)
    shutil.copy(run / "metrics.jsonl", folder)
    return folder


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cases, each run by one process."""
    folder = tmp_path_factory.mktemp("alone")
    for case in CASES:
        run(case, World(), folder / case)
    return folder


@pytest.fixture(scope="module", params=["ddp", "fsdp2"])
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cases, each run by two processes."""
    folder = tmp_path_factory.mktemp(request.param)
    together(request.param, {case: folder / case for case in CASES})
    return folder


def assert_same(case: str, one: Path, other: Path) -> None:
    for part in (LAST, f"{LAST}/critic") if case in WITH_CRITIC else (LAST,):
        torch.testing.assert_close(weights(one / part), weights(other / part), rtol=0, atol=1e-10)
    for row, twin in zip(rows(one), rows(other), strict=True):
        assert row == pytest.approx(twin, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("case", CASES)
def test_two_processes_reach_the_weights_of_one(case: str, alone: Path, shared: Path):
    moved = (weights(alone / case / LAST) - weights(alone / case / MIDDLE)).abs().max()
    assert moved > 1e-4
    assert_same(case, alone / case, shared / case)


@pytest.mark.parametrize("case", CASES)
def test_one_process_goes_on_where_two_stopped(case: str, alone: Path, shared: Path, tmp_path: Path):
    run(case, World(), halfway(shared / case, tmp_path))
    assert_same(case, alone / case, tmp_path)


def test_sharded_processes_go_on_where_one_stopped(alone: Path, tmp_path: Path):
    folders = {}
    for case in CASES:
        (tmp_path / case).mkdir()
        folders[case] = halfway(alone / case, tmp_path / case)
    together("fsdp2", folders)
    for case in CASES:
        assert_same(case, alone / case, tmp_path / case)
