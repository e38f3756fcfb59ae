"""Noun phrases, people and places, in German and English at once."""

from dataclasses import dataclass
from operator import attrgetter, itemgetter
from typing import Literal

from seqpo.tasks.translation.grammar import english
from seqpo.tasks.translation.grammar.derivation import Draw, Phrase, Word, words
from seqpo.tasks.translation.grammar.english import Agreement
from seqpo.tasks.translation.grammar.german_english import german, lexicon
from seqpo.tasks.translation.grammar.german_english.german import Case, Gender
from seqpo.tasks.translation.grammar.german_english.lexicon import Noun

Article = Literal["any", "definite", "kein"]


@dataclass(frozen=True, slots=True)
class NounPhrase:
    """A noun phrase in one case; ``noun`` is None for pronouns and names."""

    source: list[Word]
    target: list[Word]
    agreement: Agreement
    noun: Noun | None = None
    gender: Gender = "m"
    definite: bool = False


def noun_phrase(draw: Draw, kind: str, case: Case, article: Article = "any") -> NounPhrase:
    """A noun of this kind with its determiner, perhaps a number, perhaps an adjective."""
    noun = draw.fresh(lexicon.NOUNS[kind], attrgetter("singular"))
    many = noun.plural is not None and draw.chance(0.25)
    quality = draw.pick(lexicon.ADJECTIVES[kind]) if draw.chance(0.5) else None
    determiner = _determiner(draw, noun, article, many=many)
    phrase = describe(draw, noun, case, determiner, quality, many=many)
    if many and not determiner[0] and draw.chance(0.5):
        number = draw.phrase(*draw.pick(lexicon.NUMBERS))
        phrase.source[:0], phrase.target[:0] = number
    return phrase


def describe(
    draw: Draw,
    noun: Noun,
    case: Case,
    determiner: tuple[str, str] = ("der", "the"),
    quality: tuple[str, str] | None = None,
    *,
    many: bool = False,
) -> NounPhrase:
    """A certain noun with a certain determiner (stem and meaning) and adjective, inflected."""
    stem, meaning = determiner
    gender: Gender = "p" if many else noun.gender
    source: list[Word] = []
    target: list[Word] = []
    if stem:
        concept = (draw.concept(),)
        source.append(Word(german.determiner(stem, gender, case), concept))
        target.append(Word(meaning, concept))
    if quality is not None:
        concept = (draw.concept(),)
        source.append(Word(german.adjective(quality[0], stem, gender, case), concept))
        target.append(Word(quality[1], concept))
    concept = (draw.concept(),)
    source.append(Word(_german_noun(noun, case, many=many), concept))
    target += words(english.plural(noun.english) if many else noun.english, concept)
    if meaning == "a":
        target[0] = target[0]._replace(text=english.indefinite_article(target[1].text))
    definite = stem not in ("", "ein", "kein")
    return NounPhrase(source, target, "p" if many else "3s", noun, gender, definite)


def _determiner(draw: Draw, noun: Noun, article: Article, *, many: bool) -> tuple[str, str]:
    """The stem of a German determiner and its meaning; both empty for none."""
    countable = noun.plural is not None
    if article == "kein":
        return "kein", "any" if many or not countable else "a"
    point = draw.random.random() * (0.6 if article == "definite" else 1.0)
    if point < 0.1 and noun.owned:
        return draw.pick(lexicon.POSSESSIVES)
    if 0.1 <= point < 0.15 and countable:
        return "dies", "these" if many else "this"
    if point < 0.6:
        return "der", "the"
    return ("", "") if many or not countable else ("ein", "a")


def _german_noun(noun: Noun, case: Case, *, many: bool) -> str:
    if noun.plural is None or not (many or (noun.weak and case != "nominative")):
        return noun.singular
    return german.dative_plural(noun.plural) if many and case == "dative" else noun.plural


def person(draw: Draw, case: Case = "nominative") -> NounPhrase:
    """Someone: a noun, a name or a pronoun; in the nominative or the dative."""
    point = draw.random.random()
    if point < 0.2:
        return _pronoun(draw, case)
    if point < 0.4:
        return NounPhrase(*draw.phrase(*draw.fresh(lexicon.NAMES, itemgetter(0))), "3s")
    return noun_phrase(draw, "person", case)


def _pronoun(draw: Draw, case: Case) -> NounPhrase:
    """A pronoun of someone who hasn't been mentioned, for German has other words for *myself*."""
    pronoun = draw.fresh(lexicon.PRONOUNS, attrgetter("subject"))
    both = (pronoun.dative, pronoun.object) if case == "dative" else (pronoun.nominative, pronoun.subject)
    return NounPhrase(*draw.phrase(*both), pronoun.agreement)


def location(draw: Draw) -> Phrase:
    """Where something happens: *im Park*, *in the park*."""
    place = draw.pick(lexicon.PLACES)
    return _at_place(draw, place.noun, place.german, place.english, "dative")


def goal(draw: Draw, distances: tuple[str, ...]) -> Phrase:
    """Where someone goes, at one of the distances: *in den Park* or *zum Bahnhof*, *to the park*."""
    place = draw.pick([place for place in lexicon.PLACES if place.distance in distances])
    if place.german == "in":
        return _at_place(draw, place.noun, "in", "to", "accusative")
    return _at_place(draw, place.noun, "zu", "to", "dative")


def _at_place(draw: Draw, noun: Noun, preposition: str, meaning: str, case: Case) -> Phrase:
    concept = draw.concept()
    phrase = describe(draw, noun, case)
    source, target = phrase.source, [Word(meaning, (concept,)), *phrase.target]
    merged = german.CONTRACTIONS.get((preposition, source[0].text))
    if merged is None:
        return Phrase([Word(preposition, (concept,)), *source], target)
    return Phrase([Word(merged, (concept, *source[0].concepts)), *source[1:]], target)
