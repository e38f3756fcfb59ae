"""`python -m benchmarks rollout`: the engine against Transformers' `generate`, on the same weights and streams.

Contestants, all of which sample (or, to be checked, choose the likeliest token):

- the engine, all streams at once, each at its own place;
- `reprompt`: `generate` on a left-padded batch of all streams, turn by turn, with the whole history as its prompt;
- `one-by-one`: `generate` on one stream after the other, with a cache that is kept over the turns;
- the floor: nothing but the forward passes. A stream chooses its tokens one after the other, so any engine
  needs as many passes as the busiest stream has tokens to write; chunks are read in those same passes.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import chain
from typing import Any, Literal

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from benchmarks.timing import (
    BenchError,
    Result,
    assert_same_tokens,
    in_turns,
    machine,
    medians,
    ratio,
    threads,
)
from benchmarks.workload import STOP, TINY, Stream, Workload
from seqpo.sessions import Engine, play
from seqpo.sessions.forward import RaggedModel

Written = list[list[list[int]]]
"""Tokens by stream and turn."""


@dataclass(frozen=True)
class RolloutBench:
    """Settings of the benchmark.

    Attributes:
        workload: streams and model.
        dtype: of the engine's weights; the baselines run in float32 and in this.
        threads: of torch.
        rounds: that are timed.
        curve_words: lengths of source sentences for the curve over the number of turns.
    """

    workload: Workload = field(default_factory=Workload)
    dtype: Literal["bfloat16", "float32"] = "bfloat16"
    threads: int = 2
    rounds: int = 5
    curve_words: tuple[int, ...] = (6, 12, 36, 60)

    def __post_init__(self) -> None:
        if min(self.rounds, self.threads) < 1:
            raise ValueError("a benchmark needs a round and a thread at least")


QUICK = RolloutBench(workload=TINY, threads=1, rounds=1, curve_words=(3, 9))
"""Settings that only show that everything works."""


def run(settings: RolloutBench) -> Result:
    """Check that all contestants write the same, then time them.

    Raises:
        BenchError: the greedy outputs differ, or the engine ran more passes than the floor.
    """
    with threads(settings.threads):
        model, streams, own = settings.workload.new_model(), settings.workload.streams(), str(settings.dtype)
        engines: dict[str, Engine] = {
            "float32": _engine(model, settings.workload.sentences, torch.float32),
            own: _engine(model, settings.workload.sentences, getattr(torch, own)),
        }
        equal = check(model, engines, streams)
        models = {"float32": model, own: _cast(model, own)}
        contestants: dict[str, Callable[[], object]] = {"floor": Floor(model, streams, getattr(torch, own))}
        for dtype, engine in engines.items():
            contestants[f"engine {dtype}"] = partial(write, engine, streams, seed=1)
            contestants[f"reprompt {dtype}"] = partial(reprompt, models[dtype], streams)
            contestants[f"one-by-one {dtype}"] = partial(one_by_one, models[dtype], streams)
        times = in_turns(contestants, settings.rounds)
        curve = _curve(settings, model)
    fastest = f"engine {own}"
    return Result(
        name="rollout",
        ratios={
            "reprompt": ratio(times, "reprompt float32", fastest),
            "one-by-one": ratio(times, "one-by-one float32", fastest),
            "floor": ratio(times, fastest, "floor"),
            "reprompt-same-dtype": ratio(times, f"reprompt {own}", fastest),
            "one-by-one-same-dtype": ratio(times, f"one-by-one {own}", fastest),
        },
        equal=equal,
        medians=medians(times),
        setup={**asdict(settings), **_sizes(model, streams), **machine()},
        curve=curve,
    )


def check(model: PreTrainedModel, engines: dict[str, Engine], streams: Sequence[Stream]) -> dict[str, bool | float]:
    """Let all contestants write greedily, and compare.

    Raises:
        BenchError: another token than the float32 engine's, or a pass too many.
    """
    engine = engines["float32"]
    before = engine.passes
    written = write(engine, streams)
    passes, least = engine.passes - before, max(sum(stream.writes) for stream in streams)
    if passes != least:
        raise BenchError(f"the engine ran {passes} forward passes, where {least} would do")
    assert_same_tokens("reprompt", written, reprompt(model, streams, greedy=True))
    assert_same_tokens("one-by-one", written, one_by_one(model, streams, greedy=True))
    equal: dict[str, bool | float] = {"reprompt": True, "one-by-one": True, "passes": True}
    for dtype in engines.keys() - {"float32"}:
        equal[f"{dtype} agreement"] = _agreement(written, write(engines[dtype], streams))
    return equal


def write(engine: Engine, streams: Sequence[Stream], seed: int | None = None) -> Written:
    """Let the engine play the streams; greedily without a seed."""
    played = play(engine, streams, limit=max(max(stream.writes) for stream in streams), seed=seed)
    return [[list(answer.tokens) for _, answer in turns] for turns in played]


def reprompt(model: PreTrainedModel, streams: Sequence[Stream], *, greedy: bool = False) -> Written:
    """Play all streams in lock step, turn by turn, with the whole history as the prompt of each turn."""
    histories: list[list[int]] = [[] for _ in streams]
    written: Written = [[] for _ in streams]
    for turn in range(max(len(stream.chunks) for stream in streams)):
        live = [i for i, stream in enumerate(streams) if turn < len(stream.chunks)]
        for i in live:
            histories[i] += streams[i].chunks[turn]
        longest = max(streams[i].writes[turn] for i in live)
        answers = _generate(model, [histories[i] for i in live], longest, greedy)
        for i, answer in zip(live, answers, strict=True):
            written[i].append(answer[: streams[i].writes[turn]])
            histories[i] += written[i][-1]
    return written


def one_by_one(model: PreTrainedModel, streams: Sequence[Stream], *, greedy: bool = False) -> Written:
    """Play one stream after the other, with a cache that is kept over its turns."""
    written: Written = []
    for stream in streams:
        history: list[int] = []
        cache = DynamicCache(config=model.config)
        written.append([])
        for chunk, count in zip(stream.chunks, stream.writes, strict=True):
            history += chunk
            [answer] = _generate(model, [history], count, greedy, past_key_values=cache)
            written[-1].append(answer)
            history += answer
    return written


def _generate(
    model: PreTrainedModel, prompts: Sequence[Sequence[int]], count: int, greedy: bool, **options: Any
) -> list[list[int]]:
    longest = max(map(len, prompts))
    padded = torch.tensor([[STOP] * (longest - len(prompt)) + list(prompt) for prompt in prompts])
    mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    model.generation_config.eos_token_id = None  # the number of tokens is given
    output = model.generate(  # type: ignore[operator]
        padded,
        attention_mask=mask,
        max_new_tokens=count,
        do_sample=not greedy,
        top_k=None if greedy else 0,
        pad_token_id=STOP,
        **options,
    )
    answers: list[list[int]] = output[:, longest:].tolist()
    return answers


class Floor:
    """The forward passes that any engine needs, planned beforehand; calling it runs them, output layer included."""

    def __init__(self, model: PreTrainedModel, streams: Sequence[Stream], dtype: torch.dtype) -> None:
        self.model = RaggedModel(model, len(streams), dtype)
        # what a stream brings to each of its passes: a chunk after the last token written, then token by token
        brought = [
            [
                count
                for turn, (chunk, writes) in enumerate(zip(stream.chunks, stream.writes, strict=True))
                for count in [len(chunk) + (turn > 0)] + [1] * (writes - 1)
            ]
            for stream in streams
        ]
        self._passes = []
        for number in range(max(map(len, brought))):
            live = [counts for counts in brought if number < len(counts)]
            lengths, counts = [sum(c[:number]) for c in live], [c[number] for c in live]
            last = (torch.tensor(counts).cumsum(0) - 1).tolist()
            self._passes.append((self.model.plan(lengths, counts), [1] * sum(counts), last))

    def __call__(self) -> Tensor:
        """Run the passes; return the logits of the last one."""
        for plan, tokens, last in self._passes:
            logits = self.model.logits(self.model.encode(tokens, plan), last)
        return logits


def _curve(settings: RolloutBench, model: PreTrainedModel) -> dict[str, float]:
    curve = {}
    engine = _engine(model, settings.workload.sentences, getattr(torch, settings.dtype))
    for words in settings.curve_words:
        streams = replace(settings.workload, words=(words, words)).streams()
        contestants: dict[str, Callable[[], object]] = {
            "engine": partial(write, engine, streams, seed=1),
            "reprompt": partial(reprompt, model, streams),
        }
        times = in_turns(contestants, settings.rounds)
        curve[str(len(streams[0].chunks))] = ratio(times, "reprompt", "engine")
    return curve


def _engine(model: PreTrainedModel, slots: int, dtype: torch.dtype) -> Engine:
    return Engine(model, stop=STOP, slots=slots, dtype=dtype)


def _cast(model: PreTrainedModel, dtype: str) -> PreTrainedModel:
    cast: PreTrainedModel = copy.deepcopy(model).to(getattr(torch, dtype))
    return cast


def _agreement(expected: Written, got: Written) -> float:
    """Return the share of tokens that lie before the first difference of their stream."""
    same = total = 0
    for turns, others in zip(expected, got, strict=True):
        tokens, other = list(chain(*turns)), list(chain(*others))
        total += len(tokens)
        same += next((i for i, (a, b) in enumerate(zip(tokens, other, strict=True)) if a != b), len(tokens))
    return same / total


def _sizes(model: PreTrainedModel, streams: Sequence[Stream]) -> dict[str, float]:
    return {
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "turns": sum(len(stream.chunks) for stream in streams),
        "tokens read": sum(len(chunk) for stream in streams for chunk in stream.chunks),
        "tokens written": sum(sum(stream.writes) for stream in streams),
        "passes": max(sum(stream.writes) for stream in streams),
    }
