"""What a synchronous derivation is made of: words of two languages tied together by the concepts they share.

A rule of the grammar writes both languages at once. Whatever it says in one language and in the other gets a
*concept*, a number that is new in the sentence; two words are aligned exactly if they share one. So the
alignment is not guessed afterwards, it is how the sentence came about.
"""

from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import NamedTuple, TypeVar

from seqpo.tasks.translation.corpora import Pair
from seqpo.tasks.translation.units import Unit

T = TypeVar("T")

MARKS = frozenset(",.?，。？")


class Word(NamedTuple):
    """A word or punctuation mark of one language.

    ``head`` marks, in the source, a verb that the other language needs before it is spoken, and in the target the
    first word of its translation.
    """

    text: str
    concepts: tuple[int, ...] = ()
    head: bool = False


class Phrase(NamedTuple):
    """The same phrase in both languages."""

    source: list[Word]
    target: list[Word]


NOTHING = Phrase([], [])


def words(text: str, concepts: tuple[int, ...]) -> list[Word]:
    """The words of a text that say one thing together."""
    return [Word(word, concepts) for word in text.split()]


class Draw:
    """The choices of one sentence: random picks, fresh concepts, and the nouns that are used up."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.used: set[str] = set()
        self._concepts = 0

    def concept(self) -> int:
        """A concept that no other word of the sentence has."""
        self._concepts += 1
        return self._concepts

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self.random.random() < probability

    def pick(self, options: Sequence[T]) -> T:
        """One of the options, all equally likely."""
        return options[int(self.random.random() * len(options))]

    def fresh(self, options: Sequence[T], name: Callable[[T], str]) -> T:
        """One of the options whose name the sentence doesn't have yet (while there is one); it has it from now on."""
        chosen = self.pick([option for option in options if name(option) not in self.used] or options)
        self.used.add(name(chosen))
        return chosen

    def weighted(self, options: Sequence[tuple[float, T]]) -> T:
        """One of the options, with probabilities that sum to 1."""
        point = self.random.random()
        for probability, option in options:
            point -= probability
            if point < 0:
                return option
        return options[-1][1]

    def phrase(self, source: str, target: str) -> Phrase:
        """A fixed phrase: aligned word by word if both sides have as many words, as one block otherwise."""
        left, right = source.split(), target.split()
        if len(left) != len(right):
            block = (self.concept(),)
            return Phrase(words(source, block), words(target, block))
        pairs = [(self.concept(), a, b) for a, b in zip(left, right, strict=True)]
        return Phrase([Word(a, (c,)) for c, a, _ in pairs], [Word(b, (c,)) for c, _, b in pairs])


class Line(NamedTuple):
    """A finished side of a pair: its text, and the word of every unit."""

    text: str
    words: list[Word]


def finish(words: Iterable[Word], unit: Unit) -> Line:
    """Writes words out as a line of text.

    Marks are attached to the word before (``unit="word"``) or are units of their own (``"char"``); a comma
    gives way to a mark that follows it. The first letter becomes a capital.
    """
    return _spaced(_without_idle_commas(words)) if unit == "word" else _unspaced(_without_idle_commas(words))


def _without_idle_commas(words: Iterable[Word]) -> list[Word]:
    kept: list[Word] = []
    for word in words:
        if kept and word.text in MARKS and kept[-1].text in MARKS:
            kept.pop()
        kept.append(word)
    return kept


def _spaced(words: list[Word]) -> Line:
    units: list[str] = []
    owners: list[Word] = []
    for word in words:
        if word.text in MARKS:
            units[-1] += word.text
        else:
            units.append(word.text)
            owners.append(word)
    text = " ".join(units)
    return Line(text[0].upper() + text[1:], owners)


def _unspaced(words: list[Word]) -> Line:
    owners = [word if start == 0 else word._replace(head=False) for word in words for start in range(len(word.text))]
    return Line("".join(word.text for word in words), owners)


def pair(source: Line, target: Line) -> Pair:
    """The sentence pair with the alignment and the verb links that follow from the shared concepts."""
    places: dict[int, list[int]] = {}
    for index, word in enumerate(source.words):
        for concept in word.concepts:
            places.setdefault(concept, []).append(index)
    links = [sorted({place for concept in word.concepts for place in places.get(concept, ())}) for word in target.words]
    alignment = tuple((place, index) for index, found in enumerate(links) for place in found)
    verbs = tuple((place, index) for place, index in alignment if source.words[place].head and target.words[index].head)
    return Pair(source.text, target.text, tuple(sorted(alignment)), tuple(sorted(verbs)))
