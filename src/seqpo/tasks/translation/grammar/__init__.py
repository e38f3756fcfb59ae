"""A corpus without a download: sentence pairs from a synchronous grammar, as many as one likes.

Two directions in which waiting matters: German verbs that English needs earlier, and English relative clauses and
adverbials that Chinese puts first. Every pair comes with its exact word alignment.
"""

from collections.abc import Callable
from hashlib import blake2b
from random import Random
from typing import Literal, get_args

from seqpo.tasks.translation.corpora import Pair
from seqpo.tasks.translation.grammar.derivation import Draw
from seqpo.tasks.translation.grammar.english_chinese import sentences as english_chinese
from seqpo.tasks.translation.grammar.german_english import sentences as german_english

__all__ = ["DIRECTIONS", "SPLITS", "Split", "sample"]

Split = Literal["train", "dev", "test"]

SENTENCES: dict[str, Callable[[Draw], Pair]] = {
    "de-en": german_english.sentence,
    "en-zh": english_chinese.sentence,
}
DIRECTIONS = tuple(SENTENCES)
SPLITS: tuple[Split, ...] = get_args(Split)

WORDS = range(5, 23)
"""The lengths of a source sentence."""


def sample(direction: str, count: int, seed: int, split: Split = "train") -> list[Pair]:
    """Sentence pairs of a direction, no source twice; the same arguments give the same list.

    A sentence belongs to one split whatever the seed (90 % train, 5 % dev, 5 % test, by a hash of the source),
    so that splits never share a sentence. ``alignment`` links units of source and target: words of German and
    English, characters of Chinese. ``verbs`` are the links of verbs that have to be waited for: German verbs at
    the end of their clause (of a cluster such as *gekauft hat* the one that says what happened), English verbs of
    clauses that Chinese says earlier than English does.

    Raises:
        ValueError: for an unknown direction or split, or a negative count.
    """
    if direction not in SENTENCES:
        raise ValueError(f"unknown direction {direction!r}: choose one of {', '.join(DIRECTIONS)}")
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}: choose one of {', '.join(SPLITS)}")
    if count < 0:
        raise ValueError(f"count must not be negative, got {count}")
    derive = SENTENCES[direction]
    random = Random(f"{direction} {seed} {split}")
    found: dict[str, Pair] = {}
    while len(found) < count:
        pair = derive(Draw(random))
        if pair.source not in found and split_of(pair.source) == split and len(pair.source.split()) in WORDS:
            found[pair.source] = pair
    return list(found.values())


def split_of(source: str) -> Split:
    """The split that a source sentence belongs to."""
    share = int.from_bytes(blake2b(source.encode(), digest_size=4).digest(), "big") % 100
    return "train" if share < 90 else "dev" if share < 95 else "test"
