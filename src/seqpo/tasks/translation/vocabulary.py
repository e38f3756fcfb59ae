"""A tokenizer for parallel text, trained from scratch: byte-level BPE that never joins what streams apart."""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from seqpo.tasks.translation.renderer import SPECIAL_TOKENS, START, STOP

# Characters of scripts written without spaces are tokens' limits: a merged pair could straddle two turns.
_UNSPACED = Regex(r"[\u2e80-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef]")


def train_tokenizer(texts: Iterable[str], size: int) -> PreTrainedTokenizerFast:
    """Train byte-level BPE on text of both languages.

    Every word carries the space before it, so the tokens of a sentence are those of its words, one after the
    other, wherever a chunk or a turn ends.

    Args:
        texts: sentences.
        size: of the vocabulary, special tokens included; 256 bytes and the special tokens at least.

    Raises:
        ValueError: a size too small for the bytes.
    """
    least = 256 + len(SPECIAL_TOKENS)
    if size < least:
        raise ValueError(f"a byte-level vocabulary needs {least} entries at least, got {size}")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(_UNSPACED, "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator((" " + text for text in texts), trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=START, eos_token=STOP, pad_token=STOP)
