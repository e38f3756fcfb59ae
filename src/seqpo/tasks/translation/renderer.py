"""How source chunks and written words become the tokens of a language model.

A conversation is  opening chunk closing ANSWER stop  between chunk closing ANSWER stop  …, with a mark after the
last chunk. The parts around chunks and answers are special tokens for a model trained from scratch, or whatever
the chat template of a model makes of user and assistant turns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from seqpo.tasks.translation.units import Unit, join, split

START, WRITE, STOP, SOURCE_END = "<|start|>", "<|write|>", "<|stop|>", "<|source-end|>"
SPECIAL_TOKENS = (START, WRITE, STOP, SOURCE_END)
"""The special tokens of a tokenizer trained from scratch."""

_CHAT_SOURCE_END = " [end]"
_LONG, _CONTEXT = 64, 16  # tokens that are decoded together at most, and how many of them are kept when there are more


@dataclass(frozen=True)
class Renderer:
    """The token form of an episode.

    Attributes:
        tokenizer: of the model.
        source_unit: what a source chunk is counted in.
        target_unit: what the translation is counted in.
        opening: tokens before the first chunk.
        between: tokens before a later chunk; the stop token of the last answer precedes them.
        closing: tokens after a chunk, where the policy's turn begins.
        source_end: tokens after the last chunk, before `closing`.
        stop: the token that ends an answer.
    """

    tokenizer: PreTrainedTokenizerBase
    source_unit: Unit
    target_unit: Unit
    opening: tuple[int, ...]
    between: tuple[int, ...]
    closing: tuple[int, ...]
    source_end: tuple[int, ...]
    stop: int
    _known: dict[str, tuple[int, ...]] = field(default_factory=dict, repr=False, compare=False)

    def source(self, units: Sequence[str], before: Sequence[str] = ()) -> tuple[int, ...]:
        """Encode source units that follow those `before`."""
        return self._encode(units, before, self.source_unit)

    def target(self, units: Sequence[str], before: Sequence[str] = ()) -> tuple[int, ...]:
        """Encode target units that follow those `before`."""
        return self._encode(units, before, self.target_unit)

    def _encode(self, units: Sequence[str], before: Sequence[str], unit: Unit) -> tuple[int, ...]:
        """Encode units so that the texts of consecutive pieces are the text of the whole."""
        if unit == "char":
            last = before[-1:]  # a Latin run after another one brings a space
            return self._ids(join([*last, *units], unit)[len(join(last, unit)) :])
        return tuple(token for word in units for token in self._ids(" " + word))

    def _ids(self, text: str) -> tuple[int, ...]:
        ids = self._known.get(text)
        if ids is None:
            # what looks like a special token inside a text is text
            ids = tuple(self.tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True))
            self._known[text] = ids
        return ids

    def pieces(self, answers: Sequence[Sequence[int]]) -> list[str]:
        """Decode the answers of an episode: the text that each added.

        A character whose bytes are spread over several tokens appears with its last one.
        """
        detokenizer = Detokenizer(self)
        return [detokenizer.add(answer) for answer in answers]

    def _decode(self, tokens: Sequence[int]) -> str:
        text = self.tokenizer.decode(list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False)
        assert isinstance(text, str)
        return text

    @cached_property
    def unit_starts(self) -> Tensor:
        """`[vocabulary]` number of target units that begin with each token."""
        tokens = self.tokenizer.convert_ids_to_tokens(list(range(len(self.tokenizer))))
        if self.target_unit == "word":
            return torch.tensor([int(token.startswith(("Ġ", "▁", " "))) for token in tokens])
        special = set(self.tokenizer.all_special_tokens)
        return torch.tensor([0 if t in special else self._characters(i, t) for i, t in enumerate(tokens)])

    def _characters(self, token: int, spelt: str) -> int:
        text = self._decode([token])
        if "\ufffd" not in text:
            return len(split(text, "char"))
        # a part of a character: its unit begins with the token that holds the first byte
        return int(_leads(spelt))


class Detokenizer:
    """Turns tokens into text as they are written.

    Tokens are decoded together with some before them, and not with all of them, so that a long text costs no more per
    token than a short one.

    Args:
        renderer: of the tokens.
    """

    def __init__(self, renderer: Renderer) -> None:
        self._decode = renderer._decode
        self._tokens: list[int] = []
        self._shown = ""  # of their text

    def add(self, tokens: Sequence[int]) -> str:
        """Return the text that tokens add.

        A character whose bytes are spread over several tokens appears with its last one.
        """
        if not tokens:
            return ""
        self._tokens.extend(tokens)
        whole = self._decode(self._tokens)
        text = whole.rstrip("\ufffd")
        added = text[len(self._shown) :] if text.startswith(self._shown) else ""
        self._shown += added
        if len(self._tokens) > _LONG and self._shown == whole:
            self._forget()
        return added

    def _forget(self) -> None:
        """Keep the last tokens only, if they are whole characters, and not just the space that some tokenizers drop."""
        kept = self._tokens[-_CONTEXT:]
        text = self._decode(kept)
        if text.strip() and "\ufffd" not in text:
            self._tokens, self._shown = kept, text


def _leads(token: str) -> bool:
    """Whether a byte-level token begins with the first byte of a character (any but 0x80 … 0xBF)."""
    code = ord(token[0])
    # byte-level vocabularies write 0x80–0xA0 and 0xAD as U+0122–U+0143, and 0xA1–0xBF as themselves
    return not (0x122 <= code <= 0x143 or 0xA1 <= code <= 0xBF)


def plain_renderer(tokenizer: PreTrainedTokenizerBase, source_unit: Unit, target_unit: Unit) -> Renderer:
    """Frame with the special tokens of a tokenizer that was trained for this.

    Raises:
        ValueError: a tokenizer without those tokens.
    """
    known = tokenizer.get_vocab()
    missing = [token for token in SPECIAL_TOKENS if token not in known]
    if missing:
        raise ValueError(f"the tokenizer lacks {', '.join(missing)}: train a model from scratch, or use a chat model")
    start, write, stop, source_end = (known[token] for token in SPECIAL_TOKENS)
    return Renderer(tokenizer, source_unit, target_unit, (start,), (), (write,), (source_end,), stop)


def chat_renderer(
    tokenizer: PreTrainedTokenizerBase, source_unit: Unit, target_unit: Unit, instruction: str
) -> Renderer:
    """Frame with the chat template of a model: chunks are user turns, answers assistant turns.

    Args:
        tokenizer: has a chat template.
        source_unit: what a source chunk is counted in.
        target_unit: what the translation is counted in.
        instruction: the system message; left out where the template refuses one.

    Raises:
        ValueError: a template that changes what it wraps, or doesn't end a turn with a token of its own.
    """
    marks = ["\u241e1", "\u241e2", "\u241e3"]
    turns = [
        {"role": "user", "content": marks[0]},
        {"role": "assistant", "content": marks[1]},
        {"role": "user", "content": marks[2]},
    ]
    try:
        text = _render(tokenizer, [{"role": "system", "content": instruction}, *turns])
    except Exception:  # a template says no in its own way
        text = _render(tokenizer, turns)
    pieces = []
    for mark in marks:
        piece, found, text = text.partition(mark)
        if not found:
            raise ValueError("the chat template does not show the messages as they are: use a plain renderer")
        pieces.append(piece)
    if pieces[1] != text:
        raise ValueError("the chat template frames the last answer unlike the earlier ones: use a plain renderer")

    def encode(piece: str) -> tuple[int, ...]:
        return tuple(tokenizer.encode(piece, add_special_tokens=False))

    after = encode(pieces[2])
    if not after or after[0] not in tokenizer.all_special_ids:
        raise ValueError("the chat template ends an answer without a special token: use a plain renderer")
    return Renderer(
        tokenizer,
        source_unit,
        target_unit,
        opening=encode(pieces[0]),
        between=after[1:],
        closing=encode(text),
        source_end=encode(_CHAT_SOURCE_END),
        stop=after[0],
    )


def _render(tokenizer: PreTrainedTokenizerBase, messages: list[dict[str, str]]) -> str:
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert isinstance(text, str)
    return text
