"""Real but tiny language models, and environments for them."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from transformers import PreTrainedModel, Qwen2Config, Qwen2ForCausalLM

from seqpo.policies.models import Family, ModelConfig, new_model
from seqpo.types import Observation

STOP = 0
VOCABULARY = 13
FAMILIES: tuple[Family, ...] = ("qwen2", "qwen3", "llama")


def tiny(
    family: Family = "qwen2", *, seed: int = 3, dtype: torch.dtype = torch.float64, positions: int = 256
) -> PreTrainedModel:
    """A model of two layers whose four heads share two heads of keys, with weights that make it talkative."""
    config = ModelConfig(family=family, width=32, layers=2, heads=4, kv_heads=2, ffn=48, positions=positions)
    model = new_model(config, VOCABULARY, STOP, seed).to(dtype)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() == 2:  # as initialised, a tied model says the same token over and over
                weight.mul_(12)
    return model.eval()


def markov(chances: Mapping[int, Mapping[int, float]], vocabulary: int) -> PreTrainedModel:
    """A model that chooses each token by the last one alone: `chances[last][next]`, of any sum.

    Its attention and feed-forward layers add nothing to a one-hot embedding, and the output layer is the table.
    """
    width = -(-vocabulary // 4) * 4
    config = Qwen2Config(
        vocab_size=vocabulary,
        hidden_size=width,
        intermediate_size=4,
        num_hidden_layers=1,
        num_attention_heads=width // 4,
        num_key_value_heads=width // 4,
        max_position_embeddings=256,
        tie_word_embeddings=False,
        rms_norm_eps=0.0,
        bos_token_id=None,
        eos_token_id=None,
    )
    model = Qwen2ForCausalLM(config)
    table = torch.full((vocabulary, width), -30.0)
    for last, following in chances.items():
        for token, chance in following.items():
            table[token, last] = torch.tensor(chance).log()
    with torch.no_grad():
        model.model.embed_tokens.weight.copy_(torch.eye(vocabulary, width))
        model.model.layers[0].self_attn.o_proj.weight.zero_()
        model.model.layers[0].mlp.down_proj.weight.zero_()
        model.lm_head.weight.copy_(table / width**0.5)  # the last norm makes the length of a one-hot √width
    return model.eval()


@dataclass(frozen=True)
class Chunks:
    """Shows one chunk of tokens per turn; `reset_context` shows all chunks and answers so far instead."""

    chunks: tuple[tuple[int, ...], ...]
    reset_context: bool = False

    def observe(self, answers: Sequence[tuple[int, ...]]) -> Observation | None:
        turn = len(answers)
        if turn == len(self.chunks):
            return None
        if not self.reset_context:
            return Observation(self.chunks[turn])
        read = tuple(token for chunk in self.chunks[: turn + 1] for token in chunk)
        return Observation(read + tuple(token for answer in answers for token in answer), reset_context=True)


def ragged_envs(count: int, seed: int = 0, *, reset_context: bool = False) -> list[Chunks]:
    """Environments of one to four turns, with chunks of one to nine tokens."""
    rng = random.Random(seed)
    return [
        Chunks(
            tuple(
                tuple(rng.randrange(1, VOCABULARY) for _ in range(rng.randint(1, 9))) for _ in range(rng.randint(1, 4))
            ),
            reset_context,
        )
        for _ in range(count)
    ]
