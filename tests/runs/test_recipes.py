"""Recipes: of a kind, read strictly, grown from others, overridden by key, saved whole."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import replace
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seqpo.runs.build import tune
from seqpo.runs.config import ChoiceConfig, RuntimeConfig
from seqpo.runs.kinds import KINDS, find_kind
from seqpo.runs.recipes import EMBEDDED, Recipe, RecipeError, changed, load_recipe, recipe_of
from seqpo.tasks.read_write.config import ReadWriteRun
from seqpo.tasks.translation.config import TranslationRun
from tests.support.recipes import RUNS, recipe, write

EMBEDDED_NAMES = sorted(file.stem for file in EMBEDDED.glob("*.toml"))


def defaults(kind: str = "translation") -> Recipe:
    found = find_kind(kind)
    return Recipe(kind, found, found.config())


def overridden(made: Recipe, *arguments: str) -> Recipe:
    return made.override(arguments, prog="seqpo train", description="")


def read(folder: Path, text: str, kind: str = "translation", name: str = "mine.toml") -> Recipe:
    """Read a recipe of these lines."""
    file = folder / name
    file.write_text(f"kind = '{kind}'\n{text}" if kind else text, encoding="utf-8")
    return load_recipe(file)


def test_recipes_come_with_the_package():
    assert {"demo", "multi30k-de-en", "read-write-demo", "read-write-de-en"} <= set(EMBEDDED_NAMES)
    assert {load_recipe(name).name for name in EMBEDDED_NAMES} == set(KINDS)


@pytest.mark.parametrize("name", EMBEDDED_NAMES)
def test_an_embedded_recipe_loads_and_is_saved_whole(name: str, tmp_path: Path):
    made = load_recipe(name)
    assert made.run.train.steps > 0
    made.save(tmp_path / "new" / "recipe.toml")
    assert (tmp_path / "new" / "recipe.toml").read_text(encoding="utf-8").startswith(f'kind = "{made.name}"\n')
    assert load_recipe(tmp_path / "new" / "recipe.toml") == made


def test_what_is_left_out_has_its_default(tmp_path: Path):
    run = read(
        tmp_path, "seed = 3\n[train]\nsteps = 7\noptimizer = { lr = 1 }\n[dialogue]\nwarmup_chunks = [1, 2]\n"
    ).run
    assert (run.seed, run.train.steps, run.train.optimizer.lr) == (3, 7, 1.0)
    assert run.dialogue.warmup_chunks == (1, 2)
    assert run.sft == TranslationRun().sft
    assert run.train.group_size == TranslationRun().train.group_size
    assert read(tmp_path, "", "read-write").run == ReadWriteRun()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sed = 1", r"the recipe has the unknown key 'sed'; did you mean 'seed'\?"),
        ("[train]\nstep = 1", r"train has the unknown key 'step'; did you mean 'steps'\?"),
        ("[train.optimizer]\nzzz = 1", r"train.optimizer has the unknown key 'zzz'; it knows lr, warmup"),
        ("[train]\nsteps = 'many'", "train.steps should be a whole number, but is 'many'"),
        ("[train]\nsteps = true", "train.steps should be a whole number, but is True"),
        (
            "[dialogue]\nlayout = 'spiral'",
            "dialogue.layout should be one of 'interleaved', 'cumulative', but is 'spiral'",
        ),
        ("[dialogue]\nwarmup_chunks = [1, 'x']", r"dialogue.warmup_chunks\[1\] should be a whole number"),
        ("[model]\nwidth = 7", "model: width must be a multiple of heads"),
        ("[objective]\noptions = {}", "objective lacks the key 'name'"),
        ("[objective]\nname = 'ppo2'", "unknown objective 'ppo2': choose one of"),
        ("[advantage]\nname = 'gea'", "unknown advantage 'gea': choose one of"),
        ("[reward.fuse]\nname = 'sum'", "reward: unknown fusion 'sum': choose one of seqpo, gdpo, hpo, gu"),
        ("reward.fuse = { name = 'hpo', options = { gate = 1 } }", "reward: fusion 'hpo' has no option gate"),
        ("sft.steps = 0", "sft.steps = 0 needs a model to begin from: set model.path"),
        ("train = 3", "train should be a table of keys, but is 3"),
        ("seed = ", "not TOML"),
    ],
)
def test_what_is_no_recipe_is_named_by_file_and_key(tmp_path: Path, text: str, said: str):
    with pytest.raises(RecipeError, match=rf"mine\.toml: .*{said}"):
        read(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[agent]\nhidden = 0", "agent: hidden must be positive"),
        ("[critic]\nhidden = 0", "critic: hidden must be positive"),
        ("[critic]\nwarmup = -1", "critic: .*its warmup not negative"),
        ("[evaluation]\nbeam = 0", "evaluation: a beam has one hypothesis or more, got 0"),
        ("[evaluation.wait_if]\npeek = [0]", r"evaluation.wait_if: first and peek are one unit or more"),
        ("[evaluation.segmentation]\nmu = [0.5]", r"evaluation.segmentation: mu, a mean length of segments, is 1 or"),
        ("[evaluation.segmentation]\nsentences = 0", r"evaluation.segmentation: sentences and max_length must be"),
        ("[schedule]\naligned = 0.5", "schedule has the unknown key 'aligned'; it knows wait_k, full_sentence, k"),
        ("translator.prefixes = 2", r"translator: prefixes must be in \[0, 1\], got 2"),
        ("translator.max_pieces = 0", "translator: max_pieces and slots must be positive"),
        ("translator.model = { hidden = 0 }", "translator.model: embedding, hidden and attention must be positive"),
        ("translator.width = 3", "translator has the unknown key 'width'"),
    ],
)
def test_what_is_no_recipe_of_an_agent_is_named_by_file_and_key(tmp_path: Path, text: str, said: str):
    with pytest.raises(RecipeError, match=rf"mine\.toml: .*{said}"):
        read(tmp_path, text, "read-write")


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        ("translation", "model = { path = 'x', width = 64 }", "model: width = 64 .*: the model comes from path"),
        ("translation", "model.path = 'x'\nvocabulary = 9", "vocabulary = 9 .*: the tokenizer comes with model.path"),
        ("translation", "kl = { coefficient = 0.0, form = 'k3' }", "kl: form = 'k3' .*: the coefficient is 0"),
        ("translation", "schedule.lag = 3", "schedule: lag = 3 .*: no schedule is aligned"),
        ("translation", "schedule.align = true", "schedule: align = True .*: no schedule is aligned"),
        ("translation", "schedule = { wait_k = 0.0, k = [2, 3] }", r"schedule: k = \(2, 3\) .*: no schedule is wait-k"),
        ("read-write", "schedule = { wait_k = 0.0, full_sentence = 1.0, k = [2, 3] }", "schedule: k = .*no schedule"),
        ("translation", "dialogue = { renderer = 'plain', instruction = 'x' }", "dialogue: instruction = 'x' "),
        ("translation", "data.dev.source = 'de'", "data.dev: source = 'de' .*: the embedded grammar has no files"),
        ("read-write", "data.test.target_path = 'x'", "data.test: target_path = 'x' .*: the embedded grammar has no"),
        (
            "read-write",
            "advantage.name = 'return-to-go'\ncritic.hidden = 9",
            "hidden = 9 would have no effect: critic: advantage 'return-to-go' needs no values; leave it at 128",
        ),
    ],
)
def test_a_key_without_an_effect_beside_another_is_refused(tmp_path: Path, kind: str, text: str, said: str):
    with pytest.raises(RecipeError, match=rf"mine\.toml: .*{said}") as refused:
        read(tmp_path, text, kind)
    assert "would have no effect: " in str(refused.value)
    assert "leave it at " in str(refused.value)


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        ("translation", "[agent]\nhidden = 3", "agent means nothing to a translation run, only to kind = 'read-write'"),
        ("translation", "[translator]\nprefixes = 0.5", "translator means nothing to a translation run, only to kind"),
        ("read-write", "[model]\nwidth = 64", "model means nothing to a read-write run, only to kind = 'translation'"),
        ("read-write", "[kl]\ncoefficient = 0.1", "kl means nothing to a read-write run"),
        ("read-write", "[sampler]\nslots = 8", "sampler means nothing to a read-write run"),
        ("read-write", "[dialogues]\nchunk = 2", "the recipe has the unknown key 'dialogues'; it knows "),
        ("chess", "", "unknown kind 'chess': choose one of translation, read-write, or your own module:name"),
        ("nowhere:KIND", "", "kind 'nowhere:KIND': cannot import 'nowhere'"),
    ],
)
def test_what_belongs_to_another_kind_is_named(tmp_path: Path, kind: str, text: str, said: str):
    with pytest.raises(RecipeError, match=rf"mine\.toml: .*{said}"):
        read(tmp_path, text, kind)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seed = 1", "it has no kind; say kind = one of 'translation', 'read-write', or your own 'module:name'"),
        ("kind = 3", "it has no kind"),
        ("", "it has no kind"),
        ("policy = 'read-write'", "written for an earlier version of seqpo, which had the key 'policy' and no kind"),
        ("[nmt]\nprefixes = 0.5", "written for an earlier version of seqpo, which had the key 'nmt'"),
        ("[episode]\nchunk = 2", "written for .* which had the key 'episode'"),
        ("temperature = 0.8", r"written for .* which had the key 'temperature'.*docs/guide\.md"),
    ],
)
def test_a_recipe_says_its_kind(tmp_path: Path, text: str, said: str):
    with pytest.raises(RecipeError, match=rf"mine\.toml: {said}"):
        read(tmp_path, text, kind="")


def test_a_missing_recipe_tells_which_there_are():
    known = ", ".join(EMBEDDED_NAMES)
    with pytest.raises(RecipeError, match=rf"nope: no such recipe; give a TOML file, or one of {known}"):
        load_recipe("nope")


def test_a_recipe_that_extends_another_changes_what_it_names(tmp_path: Path):
    demo = load_recipe("demo").run
    made = read(tmp_path, "extends = 'demo'\nout = 'mine'\n[train]\nsteps = 3\noptimizer = { lr = 1e-6 }\n", kind="")
    wanted = replace(demo.train, steps=3, optimizer=replace(demo.train.optimizer, lr=1e-6))
    assert made.name == "translation"
    assert made.run == replace(demo, out="mine", train=wanted)


def test_recipes_extend_one_another_by_files_beside_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "sub").mkdir()
    read(tmp_path / "sub", "seed = 3\n[train]\nsteps = 5\n", name="base.toml")
    read(tmp_path / "sub", "extends = 'base.toml'\n[train]\nsteps = 6\n", kind="", name="middle.toml")
    run = read(tmp_path, "extends = 'sub/middle.toml'\nvocabulary = 300\n").run
    assert (run.seed, run.train.steps, run.vocabulary) == (3, 6, 300)
    # the folder that one stands in does not matter
    monkeypatch.chdir(tmp_path / "sub")
    assert load_recipe(Path("..", "mine.toml")).run == run


@pytest.mark.parametrize(
    ("line", "fuse"),
    [
        ("options = { floor = 0.5 }", ("seqpo", {"quality_weight": 4.0, "latency_weight": 1.0, "floor": 0.5})),
        ("name = 'seqpo'\noptions = { floor = 0.5 }",
         ("seqpo", {"quality_weight": 4.0, "latency_weight": 1.0, "floor": 0.5})),
        ("name = 'gu'", ("gu", {})),
        ("name = 'gu'\noptions = { beta = -2.0 }", ("gu", {"beta": -2.0})),
    ],
)  # fmt: skip
def test_a_choice_of_another_name_brings_its_own_options(tmp_path: Path, line: str, fuse: tuple[str, Any]):
    made = read(tmp_path, f"extends = 'demo'\n[reward.fuse]\n{line}\n", kind="")
    assert made.run.reward.fuse == ChoiceConfig(*fuse)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("extends = 'mine.toml'", "it extends itself, by way of"),
        ("extends = 'other.toml'", r"(mine|other)\.toml: it extends itself, by way of .*mine\.toml, .*other\.toml"),
        ("extends = 'nope'", "nope: no such recipe; give a TOML file, or one of demo"),
        ("extends = 3", "extends should be the name or file of a recipe, but is 3"),
        ("extends = 'demo'\nkind = 'read-write'", "it extends demo, which is of kind 'translation', not 'read-write'"),
        ("extends = 'demo'\n[train]\nstep = 3", "train has the unknown key 'step'"),
    ],
)
def test_what_cannot_be_extended_is_said(tmp_path: Path, text: str, said: str):
    (tmp_path / "other.toml").write_text("extends = 'mine.toml'", encoding="utf-8")
    with pytest.raises(RecipeError, match=said):
        read(tmp_path, text, kind="")


def test_overrides_reach_every_kind_of_key():
    before = TranslationRun()
    run = overridden(
        defaults(),
        *("--seed", "4"),
        *("--train.optimizer.lr", "1e-5"),
        *("--kl.form", "k3+"),
        *("--evaluation.wait-k", "1", "9"),
        *("--data.train.path", "x.tsv"),
        *("--objective.name", "sspo"),
        *("--objective.options", "gate", "erf"),
        *("--reward.fuse.options", "latency_weight", "0", "floor", "-inf"),
        "--data.skip-bad",
    ).run
    assert run.seed == 4
    assert run.train.optimizer == replace(before.train.optimizer, lr=1e-5)
    assert run.kl.form == "k3+"
    assert run.evaluation.wait_k == (1, 9)
    assert run.data.train == replace(before.data.train, path="x.tsv")
    assert (run.objective.name, run.objective.options) == ("sspo", {"gate": "erf"})
    assert run.reward.fuse == ChoiceConfig("seqpo", {"latency_weight": 0, "floor": -math.inf})
    assert run.data.skip_bad
    assert run.sft == before.sft


def test_options_that_the_recipe_names_are_changed_one_by_one():
    run = overridden(load_recipe("multi30k-de-en"), "--reward.fuse.options.latency-weight", "0").run
    assert run.reward.fuse == ChoiceConfig("seqpo", {"quality_weight": 8.0, "latency_weight": 0.0, "floor": 0.4})
    run = overridden(load_recipe("demo"), "--reward.fuse.name", "gdpo").run
    assert run.reward.fuse == ChoiceConfig("gdpo", {"quality_weight": 4.0, "latency_weight": 1.0})


@pytest.mark.parametrize("kind", RUNS)
def test_overrides_leave_the_recipe_file_in_force(kind: str, tmp_path: Path):
    made = load_recipe(write(recipe(kind, tmp_path), tmp_path))
    assert made == recipe(kind, tmp_path)
    assert overridden(made, "--train.steps", "9").run == replace(made.run, train=replace(made.run.train, steps=9))


@pytest.mark.parametrize(
    ("kind", "arguments", "said"),
    [
        ("translation", ["--train.step", "1"], "--train.step"),
        ("translation", ["--train.steps", "many"], "--train.steps"),
        ("translation", ["--runtime.parallel", "magic"], "magic"),
        ("translation", ["--reward.fuse.name", "sum"], "unknown fusion 'sum'"),
        ("translation", ["--reward.fuse.options", "ceiling", "1"], "no option ceiling"),
        ("translation", ["--model.width", "7"], "width must be a multiple of heads"),
        ("translation", ["--model.path", "x", "--model.layers", "9"], "layers = 9 would have no effect"),
        ("translation", ["--agent.hidden", "9"], "--agent.hidden"),
        ("read-write", ["--sampler.slots", "9"], "--sampler.slots"),
        ("read-write", ["--advantage.name", "return-to-go", "--critic.hidden", "9"], "hidden = 9 would have no effect"),
    ],
)
def test_an_override_that_is_none_says_so(
    kind: str, arguments: Sequence[str], said: str, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises((RecipeError, SystemExit)) as left:
        overridden(defaults(kind), *arguments)
    status = left.value.code if isinstance(left.value, SystemExit) else 1
    assert status not in (0, None)
    told = capsys.readouterr()
    assert said in f"{told.err}{told.out}{left.value}".replace("│", "").replace("\n", "")


numbers = st.floats(1e-6, 1e6, allow_nan=False)


@given(st.integers(0, 2**40), numbers, st.sampled_from([-math.inf, -1.5, 0.0]), st.lists(st.integers(1, 9)), st.text())
def test_any_recipe_is_saved_and_loaded_as_it_is(
    tmp_path_factory: pytest.TempPathFactory, seed: int, lr: float, floor: float, ks: list[int], text: str
):
    base = TranslationRun()
    run = replace(
        base,
        seed=seed,
        sft=replace(base.sft, optimizer=replace(base.sft.optimizer, lr=lr)),
        reward=replace(base.reward, fuse=ChoiceConfig("seqpo", {"floor": floor})),
        evaluation=replace(base.evaluation, wait_k=tuple(ks)),
        out=text,
        objective=ChoiceConfig("sspo", {"gate": "erf", "tau_pos": lr}),
    )
    made = replace(defaults(), run=run)
    file = tmp_path_factory.getbasetemp() / "recipe.toml"
    made.save(file)
    assert load_recipe(file) == made


@pytest.mark.parametrize("kind", RUNS)
def test_the_keys_that_matter_most_are_keys(kind: str):
    run = find_kind(kind).config()
    assert all(attrgetter(key)(run) is not None for key in run.ESSENTIAL)
    assert len(set(run.ESSENTIAL)) == len(run.ESSENTIAL) == 10


def test_changes_are_told_by_section_and_key():
    before = recipe("translation", Path("run")).run
    now = recipe(
        "translation", Path("run"), **{"train.steps": 9, "train.log_every": 5, "model.width": 64, "seed": 1}
    ).run
    assert changed(before, now, ["train", "model"]) == [
        "train.steps = 4, now 9",
        "train.log_every = 1, now 5",
        "model.width = 32, now 64",
    ]
    assert changed(before, now, ["train"], besides=["log_every"]) == ["train.steps = 4, now 9"]
    assert changed(before, now, ["model.width"]) == ["model.width = 32, now 64"]
    assert changed(before, now, ["mod", "train.step"]) == []  # a section or key is named whole


def test_a_run_is_known_by_the_stage_that_was_begun_last(tmp_path: Path):
    for number, (stage, seed) in enumerate({"sft": 1, "first": 2, "second": 3}.items()):
        recipe("translation", tmp_path / "elsewhere", stage=stage, seed=seed).save(tmp_path / stage / "recipe.toml")
        os.utime(tmp_path / stage / "recipe.toml", (number, number))
    found = recipe_of(tmp_path).run
    assert (found.stage, found.seed) == ("second", 3)
    assert found.out == str(tmp_path)  # a run may be moved
    os.utime(tmp_path / "first" / "recipe.toml", (9, 9))
    assert recipe_of(tmp_path).run.stage == "first"
    with pytest.raises(RecipeError, match=r"nothing: no recipe\.toml in a folder there; give the folder that"):
        recipe_of(tmp_path / "nothing")


def test_a_run_of_an_earlier_version_is_told_from_a_broken_one(tmp_path: Path):
    (tmp_path / "sft").mkdir()
    (tmp_path / "sft" / "recipe.toml").write_text("policy = 'causal-lm'\n[episode]\nchunk = 1\n", encoding="utf-8")
    with pytest.raises(RecipeError, match=r"sft/recipe\.toml: written for an earlier version of seqpo"):
        recipe_of(tmp_path)


def test_a_report_can_be_of_another_file():
    made = defaults().with_test({"path": "mine.tsv", "source": "de"})
    assert (made.run.data.test.path, made.run.data.test.source, made.run.data.test.count) == ("mine.tsv", "de", 0)
    assert replace(made.run, data=TranslationRun().data) == TranslationRun()


def test_the_runtime_sets_threads_and_precision_and_takes_them_back():
    before = torch.get_num_threads()
    try:
        tune(RuntimeConfig(threads=1, matmul_precision="medium"))
        assert (torch.get_num_threads(), torch.get_float32_matmul_precision()) == (1, "medium")
    finally:
        tune(RuntimeConfig(threads=before))
    assert (torch.get_num_threads(), torch.get_float32_matmul_precision()) == (before, "highest")
