"""How fast losses are: flat action tokens against padded tensors and TRL's own loss, and 152k log-probs.

    python benchmarks/objectives.py --json results/bench/objectives.json

Three measurements, each with outputs shown to be equal before anything is timed:

- loss and backward of a million action tokens in 20,000 episodes, given their log-probs: seqpo's `flat`, the same
  formula on padded tensors (`padded`), and TRL's `GRPOTrainer._compute_loss` (`trl`) with its log-probs put in. Lengths
  are `even`ly spread, which pads by 1.8, or have a long `tail`, which pads by 8; and the peak memory of each;
- the share of that in an update of the model of `python -m benchmarks update`;
- from hidden states to the loss with a vocabulary of 151,936: `chunked`, `plain` (all logits at once) and Liger's
  fused loss (`liger`), with time and peak memory, each in a process of its own.

TRL and Liger take part where they are installed (`make .venv-trl`); the result says which did.
"""

from __future__ import annotations

import ctypes
import json
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import torch
import tyro
from torch import Tensor

from benchmarks.memory import peak_resident, reset_peak
from benchmarks.timing import Result, assert_close, in_turns, machine, medians, ratio, threads
from benchmarks.update import new_policy, random_episodes
from benchmarks.workload import Workload
from seqpo import objectives
from seqpo.objectives import Padded
from seqpo.policies.logprobs import chosen_logprobs
from seqpo.types import pack

Lengths = Literal["even", "tail"]
TOLERANCE = 1e-4
COMPARED = ("grpo", "gspo", "sapo", "cispo", "sspo")


@dataclass(frozen=True)
class Settings:
    """Sizes.

    Attributes:
        episodes: number of episodes of the loss.
        lengths: of the episodes: "even" from 10 to 90, or "tail": exponential, from 1 to 400; 50 on average.
        rows: sequences of the log-prob measurement.
        columns: tokens of each.
        vocabulary: of the log-prob measurement.
        width: of its hidden states.
        rounds: that are timed.
        threads: of torch.
        json: where the result goes.
    """

    episodes: int = 20_000
    lengths: tuple[Lengths, ...] = ("even", "tail")
    rows: int = 16
    columns: int = 256
    vocabulary: int = 151_936
    width: int = 256
    rounds: int = 7
    threads: int = 2
    json: Path | None = None


@dataclass
class Found:
    """What was measured: ratios to seqpo's way, errors, and seconds or bytes."""

    ratios: dict[str, float] = field(default_factory=dict)
    equal: dict[str, bool | float] = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)

    def add(self, other: Found) -> None:
        self.ratios |= other.ratios
        self.equal |= other.equal
        self.figures |= other.figures


def alone(run: Callable[..., Any], *arguments: object) -> Any:
    """Run a function in a fresh process, whose peak of memory nothing else has raised."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(run, *arguments).result()


@dataclass(frozen=True)
class Tensors:
    """A padded batch, and the same action tokens laid flat."""

    new: Tensor
    old: Tensor
    advantages: Tensor
    mask: Tensor
    layout: Padded = field(repr=False)

    @staticmethod
    def draw(episodes: int, kind: Lengths) -> Tensors:
        generator = torch.Generator().manual_seed(0)
        if kind == "even":
            longest, lengths = 90, torch.randint(10, 91, (episodes,), generator=generator)
        else:
            longest = 400
            drawn = torch.empty(episodes).exponential_(1 / 49.5, generator=generator)
            lengths = drawn.long().add(1).clamp(max=longest)
        size = (episodes, longest)
        mask = torch.arange(longest) < lengths[:, None]
        old = -torch.rand(size, generator=generator) * 3
        new = old + 0.1 * torch.randn(size, generator=generator)
        advantages = torch.randn(episodes, generator=generator)
        return Tensors(new.requires_grad_(), old, advantages, mask.long(), Padded.of(mask))


def flat(name: str, data: Tensors) -> Callable[[], Tensor]:
    """seqpo's objective on the action tokens alone; returns the gradient by them."""
    layout, objective = data.layout, objectives.get(name)
    new = layout.flat(data.new.detach()).requires_grad_()
    old, advantages = layout.flat(data.old), layout.flat(data.advantages)

    def run() -> Tensor:
        new.grad = None
        objective(new, old, advantages, layout.segments).value.backward()
        assert new.grad is not None
        return new.grad

    return run


def padded(name: str, data: Tensors) -> Callable[[], Tensor]:
    """The same formulas on padded tensors, written plainly; returns the gradient by them."""
    mask, advantage = data.mask.float(), data.advantages[:, None]
    lengths = mask.sum(1)

    def of_tokens(terms: Tensor) -> Tensor:
        return ((terms * mask).sum(1) / lengths).mean()

    def loss(new: Tensor) -> Tensor:
        d = (new - data.old).clamp(-20, 20)
        if name == "grpo":
            r = d.exp()
            return -of_tokens(torch.minimum(r * advantage, r.clamp(0.8, 1.2) * advantage))
        if name == "gspo":
            s = ((d * mask).sum(1) / lengths).exp()
            return -torch.minimum(s * data.advantages, s.clamp(1 - 3e-4, 1 + 4e-4) * data.advantages).mean()
        if name == "sapo":
            tau = torch.where(advantage > 0, 1.0, 1.05)
            return -of_tokens(torch.sigmoid(tau * (d.exp() - 1)) * 4 / tau * advantage)
        if name == "cispo":
            return -(d.exp().clamp(max=1.2).detach() * advantage * new * mask).sum() / mask.sum()
        tau = torch.where(advantage > 0, 1.0, 1.05)
        return -((torch.arctan(tau * d) / tau * mask).sum(1) / lengths).exp().mul(data.advantages).mean()

    def run() -> Tensor:
        data.new.grad = None
        loss(data.new).backward()
        assert data.new.grad is not None
        return data.new.grad

    return run


def trl(name: str, data: Tensors) -> Callable[[], Tensor]:
    """TRL's own loss, metrics included, given the log-probs instead of a model."""
    from trl import GRPOTrainer

    accelerator = SimpleNamespace(num_processes=1, gather=lambda x: x, reduce=lambda x, **_: x)
    zeros = torch.zeros_like(data.old)
    trainer = SimpleNamespace(
        _get_per_token_logps_and_entropies=lambda *_, **__: (data.new, zeros, None),
        loss_type={"gspo": "grpo"}.get(name, name),
        importance_sampling_level="sequence" if name == "gspo" else "token",
        epsilon_low=3e-4 if name == "gspo" else 0.2,
        epsilon_high={"gspo": 4e-4, "cispo": 1.2}.get(name, 0.2),
        args=SimpleNamespace(delta=None, sapo_temperature_pos=1.0, sapo_temperature_neg=1.05, steps_per_generation=1),
        model=SimpleNamespace(training=True),
        accelerator=accelerator,
        beta=0.0,
        top_entropy_quantile=1.0,
        off_policy_mask_threshold=None,
        use_vllm=False,
        aux_loss_enabled=False,
        _entropy_bonus_enabled=False,
        current_gradient_accumulation_steps=1,
        _metrics={"train": defaultdict(list)},
    )
    nothing = torch.zeros(len(data.mask), 0, dtype=torch.long)
    inputs = {
        "prompt_ids": nothing,
        "prompt_mask": nothing,
        "completion_ids": data.mask,
        "completion_mask": data.mask,
        "advantages": data.advantages,
        "old_per_token_logps": data.old,
        "num_items_in_batch": data.mask.sum(),
    }

    def run() -> Tensor:
        data.new.grad = None
        GRPOTrainer._compute_loss(trainer, None, inputs).backward()
        assert data.new.grad is not None
        return data.new.grad

    return run


def contestants(name: str, data: Tensors) -> dict[str, Callable[[], Tensor]]:
    """Everyone who can compute an objective."""
    ways = {"flat": flat(name, data), "padded": padded(name, data)}
    if name != "sspo" and find_spec("trl"):
        ways["trl"] = trl(name, data)
    return ways


def compare_losses(settings: Settings, kind: Lengths) -> Found:
    """Check, then time each objective, and measure the memory of GRPO's."""
    data = Tensors.draw(settings.episodes, kind)
    found = Found()
    for name in COMPARED:
        ways = contestants(name, data)
        expected = ways["flat"]()
        for other in set(ways) - {"flat"}:
            got = data.layout.flat(ways[other]())
            found.equal[f"{kind}, {name}, {other} error"] = assert_close(f"{name}, {other}", expected, got, TOLERANCE)
        times = in_turns(ways, settings.rounds)
        found.ratios |= {f"{kind}, {name}, {other}": ratio(times, other, "flat") for other in ways if other != "flat"}
        found.figures |= {f"{kind}, {name}, {way} seconds": value for way, value in medians(times).items()}
    peaks = {way: alone(_loss_peak, way, settings, kind) for way in contestants("grpo", data)}
    found.ratios |= {
        f"{kind}, grpo, {way} memory": peak / peaks["flat"] for way, peak in peaks.items() if way != "flat"
    }
    found.figures |= {f"{kind}, grpo, {way} bytes": float(peak) for way, peak in peaks.items()}
    return found


def _loss_peak(way: str, settings: Settings, kind: Lengths) -> int:
    """Return the bytes that a way takes at most, above those of its inputs."""
    torch.set_num_threads(settings.threads)
    {"flat": flat, "padded": padded, "trl": trl}[way]("grpo", Tensors.draw(8, kind))()  # loads what a first call loads
    data = Tensors.draw(settings.episodes, kind)
    run = {"flat": flat, "padded": padded, "trl": trl}[way]("grpo", data)
    del data  # the padded tensors are no inputs of `flat`
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)  # what was freed must not hide what is taken
    base = reset_peak()
    run()
    return max(peak_resident() - base, 1)


def share_of_update(settings: Settings) -> float:
    """Return the time of GRPO's loss and its backward over that of a whole update, without the optimizer's step."""
    workload = Workload()
    policy, batch = new_policy(workload), pack(random_episodes(workload))
    objective, advantages = objectives.get("grpo"), torch.randn(batch.segments.tokens)
    held = policy.logprobs(batch).detach()

    def update() -> None:
        policy.model.zero_grad()
        objective(policy.logprobs(batch), held, advantages, batch.segments).value.backward()

    def loss_alone() -> None:
        objective(held.clone().requires_grad_(), held, advantages, batch.segments).value.backward()

    return ratio(in_turns({"update": update, "loss": loss_alone}, settings.rounds), "loss", "update")


@dataclass(frozen=True)
class Taken:
    """What one way from hidden states to a gradient took."""

    seconds: float
    peak: int
    hidden: Tensor
    projected: Tensor


def _from_hidden(way: str, settings: Settings) -> Taken:
    torch.set_num_threads(settings.threads)
    generator = torch.Generator().manual_seed(0)
    count = settings.rows * settings.columns
    hidden = torch.randn(count, settings.width, generator=generator).requires_grad_()
    weight = torch.randn(settings.vocabulary, settings.width, generator=generator).mul_(0.02).requires_grad_()
    tokens = torch.randint(settings.vocabulary, (count,), generator=generator)
    advantages = torch.randn(settings.rows, generator=generator)
    mask = torch.ones(settings.rows, settings.columns)
    layout = Padded.of(mask)
    run = {"chunked": _ours, "plain": _ours, "liger": _liger}[way]
    base, began = reset_peak(), time.perf_counter()
    run(way, hidden, weight, tokens, advantages, layout).backward()
    seconds, peak = time.perf_counter() - began, peak_resident() - base
    assert hidden.grad is not None
    assert weight.grad is not None
    return Taken(seconds, peak, hidden.grad, weight.grad @ torch.linspace(-1, 1, settings.width))


def _ours(way: str, hidden: Tensor, weight: Tensor, tokens: Tensor, advantages: Tensor, layout: Padded) -> Tensor:
    if way == "chunked":
        logprobs = chosen_logprobs(hidden, weight, None, tokens)
    else:
        logprobs = torch.log_softmax(hidden @ weight.t(), dim=1).gather(1, tokens[:, None]).squeeze(1)
    return objectives.get("grpo")(logprobs, logprobs.detach(), layout.flat(advantages), layout.segments).value


def _liger(way: str, hidden: Tensor, weight: Tensor, tokens: Tensor, advantages: Tensor, layout: Padded) -> Tensor:
    from liger_kernel.chunked_loss import LigerFusedLinearGRPOLoss

    loss = LigerFusedLinearGRPOLoss(beta=0.0, loss_type="grpo", use_ref_model=False, compiled=False)
    shape = layout.mask.shape
    value, _ = loss(hidden.view(*shape, -1), weight, tokens.view(shape), layout.mask.float(), advantages)
    return value


def compare_log_probs(settings: Settings) -> Found:
    """Measure each way from hidden states to the gradient, and check that the gradients are equal."""
    ways = ["chunked", "plain", *(["liger"] if find_spec("liger_kernel") else [])]
    taken: dict[str, Taken] = {way: alone(_from_hidden, way, settings) for way in ways}
    ours, found = taken["chunked"], Found()
    for way in ways[1:]:
        one = taken[way]
        found.ratios |= {f"152k, {way} time": one.seconds / ours.seconds, f"152k, {way} memory": one.peak / ours.peak}
        found.equal[f"152k, {way} error"] = max(
            assert_close(f"{way}, hidden", one.hidden, ours.hidden, TOLERANCE),
            assert_close(f"{way}, weight", one.projected, ours.projected, TOLERANCE),
        )
    found.figures |= {f"152k, {way} seconds": one.seconds for way, one in taken.items()}
    found.figures |= {f"152k, {way} bytes": float(one.peak) for way, one in taken.items()}
    return found


def run(settings: Settings) -> Result:
    """Measure everything."""
    found = Found()
    with threads(settings.threads):
        for kind in settings.lengths:
            found.add(compare_losses(settings, kind))
        found.ratios["share of an update, in percent"] = 100 * share_of_update(settings)
    found.add(compare_log_probs(settings))
    setup: dict[str, Any] = asdict(settings) | {"json": None, **machine()}
    setup["contestants absent"] = [name for name in ("trl", "liger_kernel") if not find_spec(name)]
    return Result("objectives", found.ratios, found.equal, found.figures, setup)


if __name__ == "__main__":
    from rich.console import Console

    chosen = tyro.cli(Settings, description=__doc__)
    result = run(chosen)
    Console().print(result.table())
    if chosen.json:
        chosen.json.write_text(json.dumps(result.to_json(), indent=1) + "\n", encoding="utf-8")
