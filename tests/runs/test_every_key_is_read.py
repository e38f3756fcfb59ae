"""No key of a recipe is ignored: each is read by the stages, systems, figures or streams of its kind.

A key counts as read when something asks a section for it. What recipes do with themselves (checks when they are made,
saving, comparing) doesn't count.
"""

from __future__ import annotations

import copy
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from seqpo import records
from seqpo.runs import recipes, stages
from seqpo.runs.evaluate import evaluate
from seqpo.runs.kinds import KINDS
from seqpo.runs.live import interpret
from seqpo.runs.recipes import Recipe, leaves, load_recipe
from seqpo.tasks.read_write.segmentation import systems as segmentation
from tests.support.translation import sentences, tokenizer, translator

_OWN_BUSINESS = {"dataclasses", recipes.__name__, records.__name__}
"""Modules that read whole recipes to save, compare, check or replace them."""

_CHECKS = {"__post_init__", "__repr__", "__eq__"}


class Recorder:
    """Notes which keys of a recipe are read.

    Each section becomes an object of a subclass of its own class, that belongs to its place in the recipe. What
    `dataclasses.replace` makes of it is of the same subclass, so that it is watched too.
    """

    def __init__(self) -> None:
        self.read: set[str] = set()

    def watched(self, section: Any, prefix: str = "") -> Any:
        names = {item.name for item in fields(section)}

        def get(one: Any, name: str) -> Any:
            if name in names and not self._own_business():
                self.read.add(prefix + name)
            return object.__getattribute__(one, name)

        kind = type(type(section).__name__, (type(section),), {"__getattribute__": get})
        made = object.__new__(kind)
        for name in names:
            value = getattr(section, name)
            value = self.watched(value, f"{prefix}{name}.") if is_dataclass(value) else value
            object.__setattr__(made, name, value)
        return made

    @staticmethod
    def _own_business() -> bool:
        asks = sys._getframe(2)
        return asks.f_globals.get("__name__") in _OWN_BUSINESS or asks.f_code.co_name in _CHECKS


@contextmanager
def recorded(recipe: Recipe) -> Iterator[tuple[Recipe, set[str]]]:
    recorder = Recorder()
    yield replace(recipe, run=recorder.watched(recipe.run)), recorder.read


TRANSLATION = """
kind = "translation"
vocabulary = 320
[data]
DATA
[model]
width = 16
layers = 1
heads = 2
kv_heads = 2
ffn = 16
[schedule]
wait_k = 0.5
aligned = 0.5
[sft]
steps = 1
batch = 2
eval_every = 1
optimizer = { warmup = 0 }
[train]
steps = 1
groups_per_step = 2
group_size = 2
eval_every = 1
[sampler]
correction = { form = "mask" }
[evaluation]
wait_k = [1]
resamples = 2
[runtime]
device = "cpu"
threads = 1
"""

READ_WRITE = """
kind = "read-write"
vocabulary = 320
[data]
DATA
[translator]
model = { embedding = 8, hidden = 8, attention = 8 }
max_pieces = 60
[translator.train]
steps = 1
batch = 4
eval_every = 1
optimizer = { warmup = 0 }
[agent]
hidden = 4
[sft]
steps = 1
batch = 2
eval_every = 1
optimizer = { warmup = 0 }
[train]
steps = 1
groups_per_step = 2
group_size = 2
eval_every = 1
[critic]
loss = "clipped"
[evaluation]
wait_k = [1]
beam = 2
segmentation = { mu = [4.0], sentences = 4, max_length = 3 }
resamples = 2
[runtime]
device = "cpu"
threads = 1
"""

GRAMMAR = """
train = { path = "grammar", count = 40 }
dev = { path = "grammar", count = 2 }
test = { path = "grammar", count = 3 }
"""


def files(folder: Path) -> str:
    """Data of two text files and of a table, instead of the grammar."""
    pairs = sentences()[:40]
    (folder / "t.de").write_text("".join(f"{pair.source}\n" for pair in pairs), encoding="utf-8")
    (folder / "t.en").write_text("".join(f"{pair.target}\n" for pair in pairs), encoding="utf-8")
    table = [f"{pair.source}\t{pair.target}" for pair in pairs[:3]]
    (folder / "t.tsv").write_text("\n".join(["de\ten", *table]) + "\n", encoding="utf-8")
    two = f"""{{ path = "{folder / "t.de"}", target_path = "{folder / "t.en"}" }}"""
    one = f"""{{ path = "{folder / "t.tsv"}", source = "de", target = "en" }}"""
    return f"""
train = {two}
dev = {one}
test = {one}
"""


def talker(folder: Path) -> Path:
    """A model with a chat template."""
    model, talks = translator(torch.float32).model, copy.deepcopy(tokenizer())
    talks.chat_template = (
        "{% for m in messages %}{{ m.role }} {{ m.content }}<|stop|>{% endfor %}"
        "{% if add_generation_prompt %}assistant {% endif %}"
    )
    model.save_pretrained(folder / "talker")
    talks.save_pretrained(folder / "talker")
    return folder / "talker"


def variants(kind: str, folder: Path) -> Iterator[str]:
    """Recipes that together have every key in force."""
    base = {"translation": TRANSLATION, "read-write": READ_WRITE}[kind]
    yield base.replace("DATA", GRAMMAR)
    plain = base.replace("aligned = 0.5\n", "").replace("wait_k = 0.5", "wait_k = 1.0")
    yield plain.replace("DATA", files(folder))
    if kind == "translation":
        shape = plain[plain.index("[model]") : plain.index("[schedule]")]
        chat = plain.replace(shape, f'[model]\npath = "{talker(folder)}"\n').replace("vocabulary = 320\n", "")
        yield chat.replace("DATA", GRAMMAR)


NO_RESULT = ("out", "stage", "runtime", "data.dev", "sampler.slots", "translator.slots")
OF_NO_SAMPLES = {"sft": ("sampler.engine", "sampler.precision")}
"""Keys that a stage may read without its result depending on them, all stages or those that sample nothing."""


def read_by_the_stages(recipe: Recipe) -> set[str]:
    """Train, and hold each stage to what it says that it depends on."""
    everything: set[str] = set()
    for name, stage in recipe.kind.stages.items():
        with recorded(recipe) as (watched, read):
            stages.train(watched, only=name)
        said = ("seed", stage.section, *stage.depends, *NO_RESULT, *OF_NO_SAMPLES.get(name, ()))
        values = {key for key, _ in leaves(recipe.run)} & read
        assert [key for key in values if not any(f"{key}.".startswith(f"{one}.") for one in said)] == []
        everything |= read
    return everything


@pytest.mark.parametrize("kind", KINDS)
def test_every_key_is_read(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    # as HanTa does, which need not be installed
    monkeypatch.setattr(segmentation, "tag", lambda rows, language: [["X" for _ in row] for row in rows])
    everything: set[str] = set()
    read: set[str] = set()
    for number, text in enumerate(variants(kind, tmp_path)):
        file = tmp_path / f"{number}.toml"
        file.write_text(text, encoding="utf-8")
        recipe = load_recipe(file)
        recipe = replace(recipe, run=replace(recipe.run, out=str(tmp_path / str(number))))
        read |= read_by_the_stages(recipe)
        with recorded(recipe) as (watched, noted):
            evaluate(watched, out=tmp_path / "report", command="")
            interpret(watched.kind.streams(watched.run, ""), io.StringIO("ja nein\n"), io.StringIO())
        everything |= {name for name, _ in leaves(recipe.run)}
        read |= noted
    assert everything - read == set()


def test_a_key_that_nobody_reads_is_found(tmp_path: Path):
    """The recorder itself: a section that is passed on, saved and compared has not been read."""
    file = tmp_path / "one.toml"
    file.write_text(TRANSLATION.replace("DATA", GRAMMAR), encoding="utf-8")
    with recorded(load_recipe(file)) as (watched, noted):
        assert watched.run.train.steps == 1
        replace(watched.run, seed=3)
        watched.text()
        assert noted & {"train", "train.steps"} == {"train", "train.steps"}
        assert "train.group_size" not in noted
        assert "seed" not in noted
