"""Log-probs of chosen tokens in chunks, and the scores and samples of a causal LM policy."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel

from seqpo.policies.causal_lm import CausalLMPolicy, rows_of
from seqpo.policies.logprobs import chosen_logprobs
from seqpo.policies.models import Family, ModelConfig, load_model, new_model
from seqpo.types import Episode, Observation, Turn, pack
from tests.support.models import FAMILIES, STOP, VOCABULARY, ragged_envs, tiny


def _inputs(rows: int = 6, width: int = 4, vocabulary: int = 7, *, dtype: torch.dtype = torch.float64):
    torch.manual_seed(0)
    hidden = torch.randn(rows, width, dtype=dtype, requires_grad=True)
    weight = torch.randn(vocabulary, width, dtype=dtype, requires_grad=True)
    bias = torch.randn(vocabulary, dtype=dtype, requires_grad=True)
    return hidden, weight, bias, torch.randint(vocabulary, (rows,))


def _plain(hidden: Tensor, weight: Tensor, bias: Tensor | None, tokens: Tensor, temperature: float) -> Tensor:
    logits = hidden @ weight.t() + (0 if bias is None else bias)
    return torch.log_softmax(logits / temperature, dim=1).gather(1, tokens[:, None]).squeeze(1)


def test_a_value_by_hand():
    # logits 1·1, 1·2: log-prob of the first is −log(1 + e), at temperature ½ −log(1 + e²)
    hidden, weight = torch.tensor([[1.0]]), torch.tensor([[1.0], [2.0]])
    token = torch.tensor([0])
    assert chosen_logprobs(hidden, weight, None, token).item() == pytest.approx(-1.313262, abs=1e-6)
    assert chosen_logprobs(hidden, weight, None, token, 0.5).item() == pytest.approx(-2.126928, abs=1e-6)


@pytest.mark.parametrize("chunk", [1, 3, 4, 6, 512])
@pytest.mark.parametrize("temperature", [1.0, 0.7])
@pytest.mark.parametrize("with_bias", [False, True])
def test_value_and_gradient_are_those_of_log_softmax(chunk: int, temperature: float, with_bias: bool):
    hidden, weight, bias, tokens = _inputs()
    leaves = (hidden, weight, bias) if with_bias else (hidden, weight)
    used = bias if with_bias else None
    upstream = torch.randn(6, dtype=torch.float64)
    found = chosen_logprobs(hidden, weight, used, tokens, temperature, chunk)
    expected = _plain(hidden, weight, used, tokens, temperature)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(
        torch.autograd.grad(found @ upstream, leaves), torch.autograd.grad(expected @ upstream, leaves)
    )


@pytest.mark.parametrize("chunk", [3, 512])
def test_gradcheck(chunk: int):
    hidden, weight, bias, tokens = _inputs()
    assert torch.autograd.gradcheck(
        lambda h, w, b: chosen_logprobs(h, w, b, tokens, 0.7, chunk), (hidden, weight, bias)
    )


def test_a_frozen_output_layer_gets_no_gradient():
    hidden, weight, bias, tokens = _inputs()
    chosen_logprobs(hidden, weight.detach(), bias.detach(), tokens).sum().backward()
    assert hidden.grad is not None
    assert weight.grad is None


def test_bfloat16_states_give_close_float32_log_probs():
    hidden, weight, _, tokens = _inputs(20, 32, 50, dtype=torch.float32)
    narrow = hidden.detach().bfloat16().requires_grad_()
    found = chosen_logprobs(narrow, weight, None, tokens)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, _plain(hidden, weight, None, tokens, 1.0), rtol=0.02, atol=0.1)
    (slope,) = torch.autograd.grad(found.sum(), narrow)
    (expected,) = torch.autograd.grad(_plain(hidden, weight, None, tokens, 1.0).sum(), hidden)
    assert torch.nn.functional.cosine_similarity(slope.float().flatten(), expected.flatten(), dim=0) > 0.999


def _policy(model: PreTrainedModel | None = None, **options: float) -> CausalLMPolicy:
    return CausalLMPolicy(model or tiny(), None, stop=STOP, limit=5, slots=4, **options)  # type: ignore[arg-type]


def _episode(*turns: tuple[tuple[int, ...], tuple[int, ...]], reset_context: bool = False) -> Episode:
    return Episode(
        0, tuple(Turn(Observation(shown, reset_context), action, (0.0,) * len(action)) for shown, action in turns)
    )


def test_an_appending_episode_is_one_row_and_a_fresh_observation_begins_another():
    turns = (((1, 2), (3, 0)), ((4,), (0,)))
    (row,) = rows_of(_episode(*turns))
    assert (row.tokens, row.chosen) == ([1, 2, 3, 0, 4, 0], [2, 3, 5])
    first, second = rows_of(_episode(*turns, reset_context=True))
    assert (first.tokens, first.chosen) == ([1, 2, 3, 0], [2, 3])
    assert (second.tokens, second.chosen) == ([4, 0], [1])
    assert _policy().num_tokens([_episode(*turns), _episode(((1,), (2,)))]) == [6, 2]


@pytest.mark.parametrize("family", FAMILIES)
def test_scores_are_those_of_the_model(family: Family):
    model = tiny(family)
    episodes = [_episode(((1, 2), (3, 0)), ((4,), (0,))), _episode(((5, 6, 7, 8, 9), (10, 11)))]
    expected = []
    for tokens, chosen in (([1, 2, 3, 0, 4, 0], [2, 3, 5]), ([5, 6, 7, 8, 9, 10, 11], [5, 6])):
        logprobs = torch.log_softmax(model(torch.tensor([tokens])).logits[0] / 0.8, dim=1)
        expected += [logprobs[place - 1, tokens[place]] for place in chosen]
    scored = _policy(model, temperature=0.8).logprobs(pack(episodes))
    torch.testing.assert_close(scored, torch.stack(expected))


def test_packing_does_not_change_scores_or_gradients():
    policy = _policy()
    episodes = policy.rollout(ragged_envs(5), group_size=1, seed=0)
    order = random.Random(0).sample(range(5), 5)
    together = pack(episodes)
    scores = policy.logprobs(together)
    alone = torch.cat([policy.logprobs(pack([episode])) for episode in episodes])
    torch.testing.assert_close(alone, scores)
    shuffled = policy.logprobs(pack(episodes[i] for i in order))
    torch.testing.assert_close(shuffled, scores[together.token_index(order)])
    weights = list(policy.model.parameters())
    torch.testing.assert_close(
        torch.autograd.grad(alone.square().sum(), weights), torch.autograd.grad(scores.square().sum(), weights)
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_every_weight_has_the_gradient_of_finite_differences(family: Family):
    # the end of a turn is read too, in the turns that follow: its embedding must learn from that; the norms of
    # Transformers compute in float32, whatever the weights are, so the steps cannot be small
    config = ModelConfig(family=family, width=8, layers=1, heads=2, kv_heads=1, ffn=8, positions=32)
    model = new_model(config, VOCABULARY, STOP, seed=0).double()
    policy = _policy(model)
    batch = pack([_episode(((1, 2), (3, 0)), ((0, 4), (5, 0)))])
    value = policy.logprobs(batch).sum()
    for weight, slope in zip(model.parameters(), torch.autograd.grad(value, list(model.parameters())), strict=True):
        flat, h = weight.data.view(-1), 1e-3
        for place in {0, int(flat.numel() // 2), flat.numel() - 1}:
            old = flat[place].item()
            flat[place] = old + h
            up = policy.logprobs(batch).sum().item()
            flat[place] = old - h
            down = policy.logprobs(batch).sum().item()
            flat[place] = old
            assert slope.view(-1)[place].item() == pytest.approx((up - down) / (2 * h), rel=0.01, abs=2e-3)


def test_a_snapshot_stays_as_it_was():
    policy = _policy()
    batch = pack(policy.rollout(ragged_envs(2), group_size=1, seed=0))
    before = policy.logprobs(batch).detach()
    frozen = policy.snapshot()
    with torch.no_grad():
        for weight in policy.model.parameters():
            weight.mul_(0.5)
    assert not torch.allclose(policy.logprobs(batch), before)
    torch.testing.assert_close(frozen(batch), before)
    assert not frozen(batch).requires_grad


def test_rollouts_are_grouped_and_do_not_depend_on_how_starts_are_dealt_out():
    envs = ragged_envs(4)
    episodes = _policy().rollout(envs, group_size=3, seed=1)
    assert [episode.start for episode in episodes] == [i for i in range(4) for _ in range(3)]
    assert len({tuple(turn.action for turn in episode.turns) for episode in episodes}) > 6
    rest = _policy().rollout(envs[2:], group_size=3, seed=1, first=2)
    assert [[t.action for t in e.turns] for e in rest] == [[t.action for t in e.turns] for e in episodes[6:]]
    assert [episode.start for episode in rest] == [2, 2, 2, 3, 3, 3]


def test_after_a_refresh_samples_come_from_the_new_weights():
    policy, other = _policy(), _policy(tiny(seed=5))
    policy.update_weights(other.module.state_dict())
    found, expected = (p.rollout(ragged_envs(3), group_size=1, seed=0) for p in (policy, other))
    assert [[t.action for t in e.turns] for e in found] == [[t.action for t in e.turns] for e in expected]
    assert {episode.version for episode in found} == {1}


def test_new_models_are_reproducible_and_leave_the_global_generator_alone():
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    a, b, c = (new_model(ModelConfig(width=8, layers=1), 11, STOP, seed) for seed in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), before)
    same = [torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters(), strict=True)]
    assert all(same)
    assert not torch.equal(a.get_input_embeddings().weight, c.get_input_embeddings().weight)
    assert a.get_input_embeddings().weight is a.get_output_embeddings().weight
    assert a.get_input_embeddings().weight.abs().sum(1).min() > 0


def test_a_saved_policy_can_be_loaded(tmp_path: Path):
    class NoTokenizer:
        def save_pretrained(self, folder: Path) -> None: ...

    model = tiny(dtype=torch.float32)
    policy = CausalLMPolicy(model, NoTokenizer(), stop=STOP)  # type: ignore[arg-type]
    policy.save(tmp_path, policy.module.state_dict())
    loaded = load_model(tmp_path)
    ids = torch.tensor([[1, 2, 3]])
    torch.testing.assert_close(loaded(ids).logits, model(ids).logits)


def test_what_cannot_be_built_raises(tmp_path: Path):
    with pytest.raises(ValueError, match="unknown model family 'gpt2': choose one of"):
        ModelConfig(family="gpt2")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="width must be a multiple of heads"):
        ModelConfig(width=30, heads=4)
    with pytest.raises(ValueError, match="heads of kv_heads"):
        ModelConfig(heads=4, kv_heads=3)
    with pytest.raises(ValueError, match=r"dropout must be in \[0, 1\)"):
        ModelConfig(dropout=1.0)
    with pytest.raises(ValueError, match="no causal language model could be loaded"):
        load_model(tmp_path)
