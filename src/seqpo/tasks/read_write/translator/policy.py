"""The translator as a policy whose one turn is a whole translation, for supervised pre-training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from seqpo.tasks.read_write.files import load_translator, save_translator
from seqpo.tasks.read_write.translator.network import RecurrentTranslator
from seqpo.types import Batch, Episode


class TranslatorPolicy:
    """Scores episodes of one turn: the observation's tokens are the source, the action is the translation.

    Args:
        translator: is trained.
        tokenizer: saved beside the weights; the policy itself works on ids.
        autocast: dtype of the training pass's matrix products; the weights' own when None.
    """

    def __init__(
        self,
        translator: RecurrentTranslator,
        tokenizer: PreTrainedTokenizerBase,
        *,
        autocast: torch.dtype | None = None,
    ) -> None:
        self.translator = translator
        self.tokenizer = tokenizer
        self.autocast = autocast
        self.module: nn.Module = translator

    def logprobs(self, batch: Batch) -> Tensor:
        """Score the action tokens of a batch: `[N]`, differentiable."""
        device = batch.actions.device
        turns = [turn for episode in batch.episodes for turn in episode.turns]
        source, read = _padded([turn.observation.tokens for turn in turns], device)
        target, lengths = _padded([turn.action for turn in turns], device)
        with torch.autocast(device.type, self.autocast) if self.autocast else nullcontext():
            scored: Tensor = self.module(source, read, target, lengths)
        return scored

    def num_tokens(self, episodes: Sequence[Episode]) -> list[int]:
        """Source and target tokens of each episode: what micro-batches are balanced by."""
        return [sum(len(turn.observation.tokens) + len(turn.action) for turn in episode.turns) for episode in episodes]

    def save(self, folder: Path, weights: Mapping[str, Tensor]) -> None:
        """Write a folder that `load_translator` can read, and the tokenizer."""
        save_translator(self.translator, folder, weights)
        self.tokenizer.save_pretrained(folder)

    def load(self, folder: Path) -> Mapping[str, Tensor]:
        """Read the translator that `save` wrote.

        Raises:
            ValueError: there is none.
        """
        return load_translator(folder).state_dict()


@torch.no_grad()
def greedy(
    translator: RecurrentTranslator, sources: Sequence[Sequence[int]], limit: int, *, slots: int = 128
) -> list[tuple[int, ...]]:
    """Translate whole sources, each token the likeliest.

    Args:
        translator: in evaluation mode.
        sources: token ids, the end-of-source mark included.
        limit: most tokens of a translation.
        slots: sources at a time.

    Returns:
        The translations in order of the sources, without stop tokens.
    """
    order = sorted(range(len(sources)), key=lambda number: len(sources[number]))
    written: dict[int, tuple[int, ...]] = {}
    for first in range(0, len(order), slots):
        chosen = order[first : first + slots]
        written |= zip(chosen, _greedy(translator, [sources[number] for number in chosen], limit), strict=True)
    return [written[number] for number in range(len(sources))]


def _greedy(translator: RecurrentTranslator, sources: list[Sequence[int]], limit: int) -> list[tuple[int, ...]]:
    source, read = _padded(sources, translator.bias.device)
    annotations = translator.encode(source)
    keys = translator.keys(annotations)
    state = translator.initial(annotations, read)
    token = torch.full_like(read, translator.start)
    over = torch.zeros_like(read, dtype=torch.bool)
    tokens: list[Tensor] = []
    while len(tokens) < limit and not over.all():
        proposal = translator.propose(state, token, annotations, read, keys)
        state, token = proposal.state, proposal.candidate
        over |= token == translator.stop
        tokens.append(token)
    rows = torch.stack(tokens, dim=1).tolist()
    return [tuple(row[: row.index(translator.stop)] if translator.stop in row else row) for row in rows]


def _padded(rows: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Lay rows out as `[B, longest]`, padded on the right with 0, and count them `[B]`."""
    tensors = [torch.tensor(row, dtype=torch.long) for row in rows]
    lengths = torch.tensor([len(row) for row in rows])
    return nn.utils.rnn.pad_sequence(tensors, batch_first=True).to(device), lengths.to(device)
