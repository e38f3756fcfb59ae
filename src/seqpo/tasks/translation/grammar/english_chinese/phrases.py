"""Noun phrases, people and places, in English and Chinese at once."""

from dataclasses import dataclass
from operator import attrgetter, itemgetter
from typing import Literal

from seqpo.tasks.translation.grammar import english
from seqpo.tasks.translation.grammar.derivation import NOTHING, Draw, Phrase, Word, words
from seqpo.tasks.translation.grammar.english import Agreement
from seqpo.tasks.translation.grammar.english_chinese import lexicon
from seqpo.tasks.translation.grammar.english_chinese.lexicon import Noun, Place

Article = Literal["any", "definite", "general"]
"""``definite`` leaves out *a book* and *three books*; ``general`` is of a habit: *books*, *the book*."""

Modifier = Phrase
"""What follows an English noun and precedes a Chinese one: a relative clause, or a place (*on the table*, 桌子上的)."""


@dataclass(frozen=True, slots=True)
class NounPhrase:
    """A noun phrase; ``definite`` is True unless it is like *a book*, *two books*, *books*."""

    source: list[Word]
    target: list[Word]
    agreement: Agreement
    definite: bool = True


def noun_phrase(draw: Draw, noun: Noun, article: Article = "any") -> NounPhrase:
    """A noun with its determiner and perhaps an adjective."""
    many = draw.chance(0.25)
    point = draw.random.random() * (0.6 if article == "definite" else 1.0)
    if point < 0.15 and noun.owned:
        return _owned(draw, noun)
    if 0.15 <= point < 0.25:
        word = ("these", "这些") if many else ("this", "这")
        return determined(draw, noun, *word, many=many)
    if point < 0.6:
        return the(draw, noun, many=many)
    if article == "general":
        return _general(draw, noun)
    if not many:
        return determined(draw, noun, "a", "一")
    return determined(draw, noun, *draw.pick(lexicon.NUMBERS), many=True)


def the(draw: Draw, noun: Noun, modifier: Modifier | None = None, *, many: bool = False) -> NounPhrase:
    """*the* and a noun, and what tells it from others.

    Chinese says 那 and a measure word, but leaves them out with people who need no description.
    """
    adjective = None if modifier else _adjective(draw, noun)
    if noun.kind != "person" or adjective or modifier:
        return determined(
            draw,
            noun,
            "the",
            "那些" if many else "那",
            many=many,
            adjective=adjective,
            modifier=modifier,
        )
    concept = (draw.concept(),)
    source = [Word("the"), *_english_noun(noun, concept, many=many)]
    target = [Word(noun.chinese + "们" * many, concept)]
    return NounPhrase(source, target, "p" if many else "3s")


def determined(
    draw: Draw,
    noun: Noun,
    determiner: str,
    chinese: str,
    *,
    many: bool = False,
    adjective: Phrase | None = None,
    modifier: Modifier | None = None,
) -> NounPhrase:
    """A noun after a determiner or number; 这些 and 那些 need no measure word."""
    article, concept = (draw.concept(),), (draw.concept(),)
    if adjective is None and modifier is None:
        adjective = _adjective(draw, noun)
    quality = adjective or NOTHING
    about = modifier or NOTHING
    described = [*quality.source, *_english_noun(noun, concept, many=many)]
    first = english.indefinite_article(described[0].text) if determiner == "a" else determiner
    measure = [] if chinese.endswith("些") else [Word(noun.measure, concept)]
    target = [*about.target, Word(chinese, article), *measure, *quality.target, Word(noun.chinese, concept)]
    definite = determiner in ("the", "this", "these")
    source = [Word(first, article), *described, *about.source]
    return NounPhrase(source, target, "p" if many else "3s", definite)


def _owned(draw: Draw, noun: Noun) -> NounPhrase:
    """*my book*, 我的书; *my mother*, 我妈妈. One 的 is enough: no adjective that has its own."""
    owner = draw.pick(lexicon.PRONOUNS)
    whose, concept = (draw.concept(),), (draw.concept(),)
    adjective = _adjective(draw, noun)
    quality = NOTHING if adjective is None or adjective.target[0].text.endswith("的") else adjective
    of = [] if noun.kind == "kin" else [Word("的", whose)]
    source = [Word(owner.possessive, whose), *quality.source, *_english_noun(noun, concept, many=False)]
    target = [Word(owner.chinese, whose), *of, *quality.target, Word(noun.chinese, concept)]
    return NounPhrase(source, target, "3s")


def _general(draw: Draw, noun: Noun) -> NounPhrase:
    """A noun in general: *books*, *tea*."""
    concept = (draw.concept(),)
    container, _, content = noun.english.partition(" of ")
    text = content or english.plural(container)
    return NounPhrase(words(text, concept), [Word(noun.chinese, concept)], "p", definite=False)


def _english_noun(noun: Noun, concept: tuple[int, ...], *, many: bool) -> list[Word]:
    return words(english.plural(noun.english) if many else noun.english, concept)


def _adjective(draw: Draw, noun: Noun) -> Phrase | None:
    if noun.kind == "kin" or not draw.chance(0.35):
        return None
    return draw.phrase(*draw.pick(lexicon.ADJECTIVES[noun.kind]))


def thing(draw: Draw, kind: str, article: Article = "any") -> NounPhrase:
    """Something of a kind, as an object; people may be named or be *him*, *her* …"""
    if kind == "kin":
        return _owned(draw, draw.fresh(lexicon.NOUNS[kind], attrgetter("english")))
    if kind == "person" and draw.chance(0.35):
        return _pronoun(draw, "object") if draw.chance(0.4) else _name(draw)
    return noun_phrase(draw, draw.fresh(lexicon.NOUNS[kind], attrgetter("english")), article)


def person(draw: Draw) -> NounPhrase:
    """Someone who does something: a name, a pronoun, *my mother*, *the teacher*."""
    point = draw.random.random()
    if point < 0.2:
        return _pronoun(draw, "subject")
    if point < 0.4:
        return _name(draw)
    if point < 0.5:
        return _owned(draw, draw.fresh(lexicon.NOUNS["kin"], attrgetter("english")))
    return noun_phrase(draw, draw.fresh(lexicon.NOUNS["person"], attrgetter("english")), "definite")


def _name(draw: Draw) -> NounPhrase:
    return NounPhrase(*draw.phrase(*draw.fresh(lexicon.NAMES, itemgetter(0))), "3s")


def _pronoun(draw: Draw, role: Literal["subject", "object"]) -> NounPhrase:
    pronoun = draw.fresh(lexicon.PRONOUNS, attrgetter("subject"))
    text = pronoun.subject if role == "subject" else pronoun.object
    return NounPhrase(*draw.phrase(text, pronoun.chinese), pronoun.agreement)


def at(draw: Draw, place: Place, *, verb: str = "在") -> Phrase:
    """Being at a place: *in the library*, 在图书馆; without ``verb`` only 桌子上."""
    where, what = (draw.concept(),), (draw.concept(),)
    source = [*words(place.preposition, where), Word("the"), Word(place.english, what)]
    target = [Word(text, where) for text in (verb, place.side) if text]
    target.insert(1 if verb else 0, Word(place.chinese, what))
    return Phrase(source, target)


def company(draw: Draw) -> Phrase:
    """With whom: *with Mary*, 和玛丽一起."""
    concept = (draw.concept(),)
    point = draw.random.random()
    whom = _name(draw) if point < 0.5 else thing(draw, "kin" if point < 0.75 else "person", "definite")
    return Phrase([Word("with", concept), *whom.source], [Word("和", concept), *whom.target, Word("一起", concept)])
