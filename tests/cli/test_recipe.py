"""Recipes: read strictly, overridden by key, saved whole."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seqpo.cli.build import tune
from seqpo.cli.recipe import (
    EMBEDDED,
    ChoiceConfig,
    Recipe,
    RecipeError,
    RuntimeConfig,
    load_recipe,
    override,
    save_recipe,
)
from tests.support.recipes import write_recipe

EMBEDDED_NAMES = sorted(file.stem for file in EMBEDDED.glob("*.toml"))


def overridden(recipe: Recipe, *arguments: str) -> Recipe:
    return override(recipe, arguments, prog="seqpo sft", description="")


def test_recipes_come_with_the_package():
    assert {"demo", "multi30k-de-en"} <= set(EMBEDDED_NAMES)


@pytest.mark.parametrize("name", EMBEDDED_NAMES)
def test_an_embedded_recipe_loads_and_is_saved_whole(name: str, tmp_path: Path):
    recipe = load_recipe(name)
    assert recipe.sft.steps > 0
    save_recipe(recipe, tmp_path / "new" / "recipe.toml")
    assert load_recipe(tmp_path / "new" / "recipe.toml") == recipe


def test_what_is_left_out_has_its_default(tmp_path: Path):
    file = tmp_path / "small.toml"
    file.write_text("seed = 3\n[train]\nsteps = 7\noptimizer = { lr = 1 }\n[episode]\nwarmup_chunks = [1, 2]\n")
    recipe = load_recipe(file)
    assert (recipe.seed, recipe.train.steps, recipe.train.optimizer.lr) == (3, 7, 1.0)
    assert recipe.episode.warmup_chunks == (1, 2)
    assert recipe.sft == Recipe().sft
    assert recipe.train.group_size == Recipe().train.group_size


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sed = 1", r"the recipe has the unknown key 'sed'; did you mean 'seed'\?"),
        ("[train]\nstep = 1", r"train has the unknown key 'step'; did you mean 'steps'\?"),
        ("[train.optimizer]\nzzz = 1", r"train.optimizer has the unknown key 'zzz'; it knows lr, warmup"),
        ("[train]\nsteps = 'many'", "train.steps should be a whole number, but is 'many'"),
        ("[train]\nsteps = true", "train.steps should be a whole number, but is True"),
        (
            "[episode]\nlayout = 'spiral'",
            "episode.layout should be one of 'interleaved', 'cumulative', but is 'spiral'",
        ),
        ("[episode]\nwarmup_chunks = [1, 'x']", r"episode.warmup_chunks\[1\] should be a whole number"),
        ("[model]\nwidth = 7", "model: width must be a multiple of heads"),
        ("[objective]\noptions = {}", "objective lacks the key 'name'"),
        ("[reward.fuse]\nname = 'sum'", "reward: unknown fusion 'sum': choose one of seqpo, gdpo, hpo, gu"),
        ("reward.fuse = { name = 'hpo', options = { gate = 1 } }", "reward: fusion 'hpo' has the unknown key 'gate'"),
        ("train = 3", "train should be a table of keys, but is 3"),
        ("seed = ", "not TOML"),
    ],
)
def test_what_is_no_recipe_is_named_by_file_and_key(tmp_path: Path, text: str, said: str):
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(RecipeError, match=rf"mine\.toml: .*{said}"):
        load_recipe(file)


def test_a_missing_recipe_tells_which_there_are(tmp_path: Path):
    with pytest.raises(RecipeError, match=r"nope: no such recipe; give a TOML file, or one of demo, multi30k-de-en"):
        load_recipe("nope")


def test_overrides_reach_every_kind_of_key():
    recipe = overridden(
        Recipe(),
        *("--seed", "4"),
        *("--train.optimizer.lr", "1e-5"),
        *("--train.kl.form", "k3+"),
        *("--evaluation.wait-k", "1", "9"),
        *("--data.train.path", "x.tsv"),
        *("--objective.name", "sspo"),
        *("--objective.options", "gate", "erf"),
        *("--reward.fuse.options", "latency_weight", "0", "floor", "-inf"),
        "--data.skip-bad",
    )
    assert recipe.seed == 4
    assert recipe.train.optimizer == replace(Recipe().train.optimizer, lr=1e-5)
    assert recipe.train.kl.form == "k3+"
    assert recipe.evaluation.wait_k == (1, 9)
    assert recipe.data.train == replace(Recipe().data.train, path="x.tsv")
    assert (recipe.objective.name, recipe.objective.options) == ("sspo", {"gate": "erf"})
    assert recipe.reward.fuse == ChoiceConfig("seqpo", {"latency_weight": 0, "floor": -math.inf})
    assert recipe.data.skip_bad
    assert recipe.sft == Recipe().sft


def test_options_that_the_recipe_names_are_changed_one_by_one():
    recipe = overridden(load_recipe("multi30k-de-en"), "--reward.fuse.options.latency-weight", "0")
    assert recipe.reward.fuse == ChoiceConfig("seqpo", {"quality_weight": 8.0, "latency_weight": 0.0, "floor": 0.4})
    recipe = overridden(load_recipe("demo"), "--reward.fuse.name", "gdpo")
    assert recipe.reward.fuse == ChoiceConfig("gdpo", {"quality_weight": 4.0, "latency_weight": 1.0})


def test_overrides_leave_the_recipe_file_in_force(tmp_path: Path):
    recipe = load_recipe(write_recipe(tmp_path))
    changed = overridden(recipe, "--train.steps", "9")
    assert changed == replace(recipe, train=replace(recipe.train, steps=9))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--train.step", "1"], "--train.step"),
        (["--train.steps", "many"], "--train.steps"),
        (["--runtime.parallel", "magic"], "magic"),
        (["--reward.fuse.name", "sum"], "unknown fusion 'sum'"),
        (["--reward.fuse.options", "ceiling", "1"], "unknown key 'ceiling'"),
    ],
)
def test_an_override_that_is_none_says_so(arguments: Sequence[str], said: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as left:
        overridden(Recipe(), *arguments)
    assert left.value.code not in (0, None)
    told = capsys.readouterr()
    assert said in told.err + told.out


def test_an_override_that_does_not_fit_says_so(capsys: pytest.CaptureFixture[str]):
    with pytest.raises((RecipeError, SystemExit)) as left:
        overridden(Recipe(), "--model.width", "7")
    assert "width must be a multiple of heads" in str(left.value) + capsys.readouterr().err


numbers = st.floats(1e-6, 1e6, allow_nan=False)


@given(st.integers(0, 2**40), numbers, st.sampled_from([-math.inf, -1.5, 0.0]), st.lists(st.integers(1, 9)), st.text())
def test_any_recipe_is_saved_and_loaded_as_it_is(
    tmp_path_factory: pytest.TempPathFactory, seed: int, lr: float, floor: float, ks: list[int], text: str
):
    base = Recipe()
    recipe = replace(
        base,
        seed=seed,
        sft=replace(base.sft, optimizer=replace(base.sft.optimizer, lr=lr)),
        reward=replace(base.reward, fuse=ChoiceConfig("seqpo", {"floor": floor})),
        evaluation=replace(base.evaluation, wait_k=tuple(ks)),
        episode=replace(base.episode, instruction=text),
        objective=replace(base.objective, options={"gate": "erf", "tau_pos": lr}),
    )
    file = tmp_path_factory.getbasetemp() / "recipe.toml"
    save_recipe(recipe, file)
    assert load_recipe(file) == recipe


def test_the_runtime_sets_threads_and_precision_and_takes_them_back():
    before = torch.get_num_threads()
    try:
        tune(RuntimeConfig(threads=1, matmul_precision="medium"))
        assert (torch.get_num_threads(), torch.get_float32_matmul_precision()) == (1, "medium")
    finally:
        tune(RuntimeConfig(threads=before))
    assert (torch.get_num_threads(), torch.get_float32_matmul_precision()) == (before, "highest")
