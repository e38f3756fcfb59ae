"""The language model as a policy: what it says it chose is what it scores, in every layout and renderer."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, AutoTokenizer

from seqpo.policies.causal_lm import CausalLMPolicy, rows_of
from seqpo.policies.models import Family, add_dropout, new_model
from seqpo.tasks.translation.build import load_tokenizer
from seqpo.tasks.translation.dialogue import LAYOUTS, Layout
from seqpo.tasks.translation.renderer import chat_renderer
from seqpo.tasks.translation.task import TranslationTask
from seqpo.training.supervised import SupervisedConfig, train_supervised
from seqpo.training.world import full_weights
from seqpo.types import Episode, Observation, Turn, pack
from tests.support.models import FAMILIES, STOP, Chunks, ragged_envs, tiny
from tests.support.training import optimized
from tests.support.translation import SHAPE, sampled, sentences, tokenizer, translation, translator, weights

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def policy_of(family: Family, dtype: torch.dtype = torch.float64, **options: float) -> CausalLMPolicy:
    return CausalLMPolicy(tiny(family, dtype=dtype), tokenizer(), stop=STOP, limit=5, slots=4, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("reset_context", [False, True])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
@pytest.mark.parametrize("temperature", [1.0, 0.7])
@pytest.mark.parametrize("family", FAMILIES)
def test_scores_are_the_behaviour_log_probs(
    family: Family, temperature: float, dtype: torch.dtype, tolerance: float, reset_context: bool
):
    policy = policy_of(family, dtype, temperature=temperature)
    batch = pack(policy.rollout(ragged_envs(6, reset_context=reset_context), 3, seed=1), dtype=dtype)
    torch.testing.assert_close(policy.logprobs(batch), batch.behaviour, rtol=0, atol=tolerance)


@pytest.mark.parametrize("family", FAMILIES)
def test_scores_are_those_of_transformers(family: Family):
    policy = policy_of(family)
    (episode,) = policy.rollout(ragged_envs(1, seed=3), 1, seed=1)
    (row,) = rows_of(episode)
    with torch.no_grad():
        logprobs = policy.model(torch.tensor([row.tokens])).logits.log_softmax(-1)[0]
    expected = [logprobs[place - 1, row.tokens[place]].item() for place in row.chosen]
    assert policy.logprobs(pack([episode])).tolist() == pytest.approx(expected, abs=1e-10)


def test_an_episode_depends_on_its_start_and_place_not_on_the_batch():
    policy, envs = policy_of("qwen2"), ragged_envs(6)
    together = policy.rollout(envs, 2, seed=9)
    assert [episode.start for episode in together] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    apart = [e for i, env in enumerate(envs) for e in policy.rollout([env], 2, seed=9, first=i)]
    assert [[turn.action for turn in e.turns] for e in apart] == [[turn.action for turn in e.turns] for e in together]
    assert [episode.start for episode in apart] == [episode.start for episode in together]
    other = policy.rollout(envs, 2, seed=10)
    assert [e.turns for e in other] != [e.turns for e in together]


actions = st.lists(st.integers(1, 9), min_size=1, max_size=3)
shown = st.tuples(st.lists(st.integers(10, 19), min_size=1, max_size=4), st.booleans())


@given(st.lists(st.tuples(shown, actions), min_size=1, max_size=5))
def test_rows_hold_every_action_after_what_it_was_shown(turns: Sequence[tuple[tuple[list[int], bool], list[int]]]):
    episode = Episode(
        0,
        tuple(
            Turn(Observation(tuple(tokens), reset_context), tuple(action), (0.0,) * len(action))
            for (tokens, reset_context), action in turns
        ),
    )
    rows = list(rows_of(episode))
    chosen = [row.tokens[place] for row in rows for place in row.chosen]
    assert chosen == [token for _, action in turns for token in action]
    assert len(rows) == 1 + sum(reset_context for (_, reset_context), _ in turns[1:])
    assert sum(len(row.tokens) for row in rows) == sum(len(tokens) + len(action) for (tokens, _), action in turns)


def test_rows_by_hand():
    env = Chunks(((5, 6), (7,)))
    seen = [env.observe([]), env.observe([(1, 0)])]
    episode = Episode(0, (Turn(seen[0], (1, 0), (0.0, 0.0)), Turn(seen[1], (0,), (0.0,))))
    (row,) = rows_of(episode)
    assert (row.tokens, row.chosen) == ([5, 6, 1, 0, 7, 0], [2, 3, 5])
    assert policy_of("qwen2").num_tokens([episode, episode]) == [6, 6]


def trained(policy: CausalLMPolicy, folder: Path, layout: Layout = "interleaved") -> None:
    task = translation(layout)
    train_supervised(policy, task, SupervisedConfig(2, batch=4), stage=folder / "sft")
    optimized(folder / "seqpo", policy, task, objective="sspo", advantage="grpo", steps=2, groups_per_step=2)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_after_training_the_sampler_has_the_weights_of_the_scorer(tmp_path: Path, layout: Layout):
    policy, task = translator(), translation(layout)
    before = weights_of(policy)
    trained(policy, tmp_path, layout)
    assert not torch.equal(weights_of(policy), before)
    batch = pack(sampled(policy, task, 4), dtype=torch.float64)
    torch.testing.assert_close(policy.logprobs(batch), batch.behaviour, rtol=0, atol=1e-10)


def weights_of(policy: CausalLMPolicy) -> torch.Tensor:
    return torch.cat([value.flatten() for value in full_weights(policy.module).values()])


def test_a_snapshot_stays_what_it_was(tmp_path: Path):
    policy = translator()
    batch = pack(sampled(policy, translation()), dtype=torch.float64)
    frozen = policy.snapshot()
    before = frozen(batch)
    trained(policy, tmp_path)
    assert torch.equal(frozen(batch), before)
    assert not before.requires_grad
    assert (policy.logprobs(batch) - before).abs().max() > 1e-4


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_saved_is_loaded_by_transformers(tmp_path: Path, family: Family):
    model = new_model(replace(SHAPE, family=family), len(tokenizer()), translation().renderer.stop, 0)
    policy = CausalLMPolicy(model, tokenizer(), stop=translation().renderer.stop)
    policy.save(tmp_path, full_weights(policy.module))
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path)
    # beside a Qwen2 model, AutoTokenizer makes Qwen2's own of any tokenizer
    text = (load_tokenizer if family == "qwen2" else AutoTokenizer.from_pretrained)(tmp_path)
    assert len(text) == len(tokenizer())
    for line in (*(pair.source for pair in sentences()), " 2500 T-Shirts, 3.5 %", "他昨天没来。", "e\u0301"):
        assert text.encode(line) == tokenizer().encode(line)
        assert text.decode(text.encode(line)) == line
    ids = torch.tensor([text.encode(sentences()[0].source)])
    with torch.no_grad():
        assert torch.equal(loaded(ids).logits, policy.model(ids).logits)


def test_a_tied_matrix_is_saved_once_even_when_gathered_apart(tmp_path: Path):
    policy = translator(torch.float32)
    gathered = {name: value.clone() for name, value in full_weights(policy.module).items()}
    policy.save(tmp_path, gathered)
    assert weights(tmp_path).numel() == sum(parameter.numel() for parameter in policy.module.parameters())
    assert torch.equal(
        AutoModelForCausalLM.from_pretrained(tmp_path).lm_head.weight, policy.model.get_output_embeddings().weight
    )


def assert_loaded(policy: CausalLMPolicy, folder: Path) -> None:
    """All weights come back from a folder, but for a second name of a tied matrix."""
    found, state = policy.load(folder), full_weights(policy.module)
    assert set(state) - set(found) == {"model.lm_head.weight"}
    for name, value in found.items():
        assert value.dtype == state[name].dtype
        assert torch.equal(value, state[name]), name


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_what_is_saved_is_loaded_in_the_same_precision(tmp_path: Path, dtype: torch.dtype):
    policy = translator(dtype)
    policy.save(tmp_path, full_weights(policy.module))
    assert_loaded(policy, tmp_path)


def test_loaded_weights_make_the_same_policy(tmp_path: Path):
    policy, other = translator(), translator(talkative=1.0)
    batch = pack(sampled(policy, translation()), dtype=torch.float64)
    expected = policy.logprobs(batch)
    assert (other.logprobs(batch) - expected).abs().max() > 1e-3
    policy.save(tmp_path, full_weights(policy.module))
    loaded = other.load(tmp_path)
    other.module.load_state_dict(loaded, strict=False)
    other.update_weights(loaded)
    assert torch.equal(other.logprobs(batch), expected)
    assert sampled(other, translation())[0].turns == sampled(policy, translation())[0].turns


def test_weights_in_several_files_are_loaded_by_their_index(tmp_path: Path):
    policy = translator()
    policy.model.save_pretrained(tmp_path, max_shard_size="40KB")
    shards = sorted(tmp_path.glob("model-*.safetensors"))
    assert len(shards) > 1
    assert_loaded(policy, tmp_path)
    shards[-1].write_bytes(shards[-1].read_bytes()[:-7])
    with pytest.raises(ValueError, match=r"its weights can't be read .*; take an earlier checkpoint") as error:
        policy.load(tmp_path)
    assert str(tmp_path) in str(error.value)
    shards[-1].unlink()
    with pytest.raises(ValueError, match=r"its weights can't be read .*No such file"):
        policy.load(tmp_path)


@pytest.mark.parametrize("index", ["{", "{}", '{"weight_map": {"a": "model.safetensors"}}'])
def test_an_index_that_leads_nowhere_is_told(tmp_path: Path, index: str):
    (tmp_path / "model.safetensors.index.json").write_text(index, encoding="utf-8")
    with pytest.raises(ValueError, match=r"its weights can't be read"):
        translator().load(tmp_path)


def test_bfloat16_scores_are_close(tmp_path: Path):
    exact, mixed = translator(torch.float32, talkative=2.0), translator(torch.float32, talkative=2.0)
    mixed.autocast = torch.bfloat16
    batch = pack(sampled(exact, translation()))
    difference = (mixed.logprobs(batch) - exact.logprobs(batch)).abs()
    assert 0 < difference.max() < 0.15
    mixed.logprobs(batch).sum().backward()
    exact.logprobs(batch).sum().backward()
    slopes = [policy.model.get_input_embeddings().weight.grad.flatten() for policy in (mixed, exact)]
    assert torch.cosine_similarity(*slopes, dim=0) > 0.99


def test_a_bfloat16_sampler_is_close():
    model = translator(torch.float32, talkative=2.0).model
    policy = CausalLMPolicy(model, tokenizer(), stop=translation().renderer.stop, limit=3, rollout_dtype=torch.bfloat16)
    batch = pack(sampled(policy, translation()))
    difference = (policy.logprobs(batch) - batch.behaviour).abs()
    assert 0 < difference.max() < 0.3


def test_dropout_is_active_in_training_only():
    policy = translator(dropout=0.5)
    batch = pack(sampled(policy, translation()), dtype=torch.float64)
    torch.testing.assert_close(policy.logprobs(batch), batch.behaviour, rtol=0, atol=1e-10)
    policy.module.train()
    torch.manual_seed(0)
    one, other = policy.logprobs(batch), policy.logprobs(batch)
    assert (one - other).abs().max() > 1e-3
    policy.module.eval()
    torch.testing.assert_close(policy.logprobs(batch), batch.behaviour, rtol=0, atol=1e-10)


def chatting() -> tuple[CausalLMPolicy, TranslationTask]:
    """A tiny chat model, and its task."""
    talker = copy.deepcopy(tokenizer())
    talker.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    talker.chat_template = CHATML
    frame = chat_renderer(talker, "word", "word", "Translate.")
    model = new_model(SHAPE, len(talker), frame.stop, 0).double().eval()
    return CausalLMPolicy(model, talker, stop=frame.stop, limit=3), replace(translation(), renderer=frame)


def test_a_chat_model_is_trained_in_its_own_template(tmp_path: Path):
    policy, task = chatting()
    (episode,) = task.demonstrations(1, step=0)
    (row,) = rows_of(episode)
    talk = policy.tokenizer.decode(row.tokens)
    assert talk.startswith("<|im_start|>system\nTranslate.<|im_end|>\n<|im_start|>user\n")
    assert talk.count("<|im_end|>\n<|im_start|>user\n") == len(episode.turns)
    assert talk.endswith("<|im_end|>")
    train_supervised(policy, task, SupervisedConfig(2, batch=4), stage=tmp_path / "sft")
    optimized(tmp_path / "rl", policy, task, advantage="grpo", steps=2, groups_per_step=2)
    batch = pack(policy.rollout(task.starts(2, step=0), 2, seed=0), dtype=torch.float64)
    torch.testing.assert_close(policy.logprobs(batch), batch.behaviour, rtol=0, atol=1e-10)


def test_add_dropout_touches_embeddings_and_sublayers():
    model = tiny("llama")
    add_dropout(model, 0.5)
    ids = torch.tensor([[1, 2, 3]])
    model.train()
    torch.manual_seed(0)
    embedded = model.get_input_embeddings()(ids)
    assert (embedded == 0).float().mean() == pytest.approx(0.5, abs=0.2)
    kept = embedded[embedded != 0]
    model.eval()
    torch.testing.assert_close(kept, 2 * model.get_input_embeddings()(ids)[embedded != 0])
