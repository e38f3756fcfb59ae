"""One process as the world: shares, and what can't be joined. `test_distributed` has two."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from seqpo.training.world import World, full_weights, join_world


@given(st.integers(1, 8), st.integers(0, 20))
def test_shares_are_equal_and_together_everything(size: int, each: int):
    things = list(range(size * each))
    shares = [things[World(rank, size).share(len(things), "things")] for rank in range(size)]
    assert [thing for share in shares for thing in share] == things
    assert {len(share) for share in shares} == {each}


def test_what_can_not_be_shared_equally_is_refused():
    with pytest.raises(ValueError, match=r"7 starts can't be shared by 2 processes: choose a multiple"):
        World(0, 2).share(7, "starts")


def test_one_process_sums_and_waits_alone():
    world = World()
    assert world.leads
    assert world.most(3) == 3
    assert world.all_sum(torch.tensor([1.0, 2.0])).tolist() == [1.0, 2.0]
    world.barrier()
    layer = nn.Linear(2, 2)
    assert world.wrap(layer) is layer
    assert set(full_weights(layer)) == {"weight", "bias"}


def test_without_torchrun_one_joins_a_world_of_one(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with join_world("cpu", "fsdp2") as world:
        assert (world.rank, world.size, world.device, world.parallel) == (0, 1, torch.device("cpu"), "fsdp2")


def test_unknown_ways_of_joining_are_refused(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(ValueError, match=r"unknown runtime.parallel 'deepspeed': choose one of ddp, fsdp2"):
        join_world("cpu", "deepspeed").__enter__()  # type: ignore[arg-type]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match=r"sees no CUDA GPU here; use 'cpu' or 'auto'"):
        join_world("cuda", "ddp").__enter__()
