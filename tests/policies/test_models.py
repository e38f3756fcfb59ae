"""Models from scratch and from folders."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from seqpo.policies.models import Family, ModelConfig, load_model, new_model
from tests.support.models import FAMILIES

SMALL = {"width": 32, "layers": 3, "heads": 4, "kv_heads": 2, "ffn": 48, "positions": 99}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_has_the_shape_it_was_asked_for(family: Family):
    model = new_model(ModelConfig(family=family, **SMALL), vocabulary=70, stop=2, seed=0)
    assert model.config.model_type == family
    assert model.get_input_embeddings().weight.shape == (70, 32)
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
    assert len(model.model.layers) == 3
    assert model.model.layers[0].self_attn.k_proj.weight.shape == (16, 32)
    assert model.model.layers[0].mlp.up_proj.weight.shape == (48, 32)
    assert (model.config.max_position_embeddings, model.config.eos_token_id) == (99, 2)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_weights_are_a_function_of_the_seed_and_leave_other_randomness_alone():
    def embedding(seed: int) -> torch.Tensor:
        return new_model(ModelConfig(**SMALL), 70, 2, seed).get_input_embeddings().weight

    torch.manual_seed(5)
    one, drawn = embedding(1), torch.rand(1)
    torch.manual_seed(5)
    assert torch.rand(1) == drawn
    assert torch.equal(one, embedding(1))
    assert not torch.equal(one, embedding(2))


def test_every_token_can_be_learnt():
    """The end-of-turn token too is read as a token, so its embedding must get a gradient."""
    model = new_model(ModelConfig(**SMALL), 70, 2, 0)
    states = model.base_model(input_ids=torch.tensor([[2, 5]])).last_hidden_state
    states.sum().backward()
    assert model.get_input_embeddings().weight.grad[2].abs().max() > 0


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"family": "gpt"}, "unknown model family 'gpt': choose one of "),
        ({"width": 30}, "width must be a multiple of heads"),
        ({"kv_heads": 3}, "heads of kv_heads"),
        ({"dropout": 1.0}, r"dropout must be in \[0, 1\), got 1.0"),
    ],
)
def test_shapes_without_meaning_are_refused(wrong: dict, said: str):
    with pytest.raises(ValueError, match=said):
        ModelConfig(**{**SMALL, **wrong})


def test_a_folder_is_loaded_in_float32(tmp_path: Path):
    model = new_model(ModelConfig(**SMALL), 70, 2, 0)
    model.to(torch.bfloat16).save_pretrained(tmp_path)
    loaded = load_model(tmp_path)
    assert loaded.dtype == torch.float32
    assert torch.equal(loaded.get_input_embeddings().weight, model.get_input_embeddings().weight.float())


def test_what_holds_no_model_is_named(tmp_path: Path):
    with pytest.raises(ValueError, match=r"no causal language model could be loaded from there .*give a folder"):
        load_model(tmp_path)
    new_model(ModelConfig(**SMALL), 70, 2, 0).save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"torn")
    with pytest.raises(ValueError, match="no causal language model could be loaded"):
        load_model(tmp_path)
