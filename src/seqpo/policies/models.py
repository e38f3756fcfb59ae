"""Causal language models from scratch, or from any Transformers folder or id."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, LlamaConfig, PreTrainedModel, Qwen2Config, Qwen3Config

from seqpo.records import refuse_changed

Family = Literal["llama", "qwen2", "qwen3"]
_CONFIGS = {"qwen2": Qwen2Config, "qwen3": Qwen3Config, "llama": LlamaConfig}


@dataclass(frozen=True)
class ModelConfig:
    """The language model.

    Attributes:
        path: a Transformers folder or id to begin from; empty for a model from scratch, of the shape below.
        family: architecture, rotary positions in each.
        width: of the hidden states.
        layers: number of them.
        heads: attention heads.
        kv_heads: heads of keys and values.
        ffn: inner width of the feed-forward layers.
        positions: longest context, in tokens.
        dropout: of embeddings and of what each sublayer adds, in the warm-up of a model from scratch.
    """

    path: str = ""
    family: Family = "llama"
    width: int = 128
    layers: int = 3
    heads: int = 4
    kv_heads: int = 4
    ffn: int = 384
    positions: int = 1024
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if self.path:
            shape = ("family", "width", "layers", "heads", "kv_heads", "ffn", "positions", "dropout")
            refuse_changed(self, shape, "the model comes from path")
        if self.family not in get_args(Family):
            raise ValueError(f"unknown model family {self.family!r}: choose one of {', '.join(get_args(Family))}")
        if self.width % self.heads or self.heads % self.kv_heads:
            raise ValueError("width must be a multiple of heads, and heads of kv_heads")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be in [0, 1), got {self.dropout}")


def new_model(config: ModelConfig, vocabulary: int, stop: int, seed: int) -> PreTrainedModel:
    """Make a model with random weights, a tied output layer and float32 parameters.

    Args:
        config: its shape.
        vocabulary: number of tokens.
        stop: end-of-turn token, which also pads when Transformers generates.
        seed: of the weights.
    """
    shape = _CONFIGS[config.family](
        vocab_size=vocabulary,
        hidden_size=config.width,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        num_key_value_heads=config.kv_heads,
        head_dim=config.width // config.heads,
        intermediate_size=config.ffn,
        max_position_embeddings=config.positions,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=stop,
        pad_token_id=None,  # a padding token's embedding would begin at zero and never learn from being read
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: PreTrainedModel = AutoModelForCausalLM.from_config(shape)
    assert model.generation_config is not None
    model.generation_config.pad_token_id = stop
    if config.dropout:
        add_dropout(model, config.dropout)
    return model


def add_dropout(model: PreTrainedModel, share: float) -> None:
    """Drop a share of the embeddings and of what each sublayer adds, in training mode.

    Llama-type configurations know dropout in the attention only, which is little against a small corpus.
    """

    def drop(module: nn.Module, _: object, output: Tensor) -> Tensor:
        return nn.functional.dropout(output, share, training=module.training)

    for name, module in model.named_modules():
        if name.rpartition(".")[2] in ("embed_tokens", "o_proj", "down_proj"):
            module.register_forward_hook(drop)


def read_weights(folder: Path) -> dict[str, Tensor]:
    """Read the weights of a Transformers folder, in the precision that they were saved in.

    Raises:
        ValueError: there are none, or a file is torn.
    """
    index = folder / "model.safetensors.index.json"
    try:
        shards = {"model.safetensors"}
        if index.exists():
            shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        return {name: value for shard in sorted(shards) for name, value in load_file(folder / shard).items()}
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise ValueError(f"{folder}: its weights can't be read ({error}); take an earlier checkpoint") from error


def load_model(path: str | Path) -> PreTrainedModel:
    """Load weights in float32 from a Transformers folder or id, safetensors only.

    Raises:
        ValueError: nothing there, or not a causal LM.
    """
    try:
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
            str(path), dtype=torch.float32, use_safetensors=True
        )
    except (OSError, ValueError, SafetensorError) as error:
        raise ValueError(
            f"{path}: no causal language model could be loaded from there ({error}); "
            "give a folder with config.json and model.safetensors, or the id of one"
        ) from error
    return model
