"""Runs under torchrun: an optimizer step on a generation, half of it on each of two processes."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

sys.path.insert(1, str(Path(__file__).resolve().parents[2]))

from seqpo.adapters.trl import action_mask
from tests.support.trl_runs import ROWS, gradients, trainer

folder = Path(sys.argv[1])
saved = torch.load(folder / "whole.pt")
made = trainer(
    folder, objective="dapo", advantage="lite-ppo", per_device_train_batch_size=3, gradient_accumulation_steps=2
)
made.model.train()
rank, half = made.accelerator.process_index, ROWS // 2
assert made.accelerator.num_processes == 2
own = {name: value[rank * half :][:half] if value.ndim else value for name, value in saved["whole"].items()}
made._rewards = saved["rewards"]
lengths = action_mask(own).sum(dim=0).nonzero().max() + 1  # processes pad to lengths of their own
compared = made._compare(action_mask(own)[:, :lengths])
padded = torch.zeros_like(own["advantages"])
padded[:, :lengths] = compared
parts = made.accelerator.gather(padded)
found = gradients(made, own, made.accelerator.prepare_model(made.model))
if rank == 0:
    metrics = {name: made._metrics["train"][name][-1] for name in ("ratio_deviation", "kl_behaviour", "entropy")}
    torch.save({"advantages": parts, "gradients": found, "diagnostics": metrics}, folder / "found.pt")
torch.distributed.barrier()
torch.distributed.destroy_process_group()
