"""Clauses: who does what, when, where and how; the end of an English clause is the middle of a Chinese one."""

from dataclasses import dataclass, replace
from typing import Literal

from seqpo.tasks.translation.grammar.derivation import NOTHING, Draw, Phrase, Word, words
from seqpo.tasks.translation.grammar.english_chinese import lexicon
from seqpo.tasks.translation.grammar.english_chinese.lexicon import Place, Verb
from seqpo.tasks.translation.grammar.english_chinese.phrases import (
    Article,
    NounPhrase,
    at,
    company,
    noun_phrase,
    person,
    thing,
)
from seqpo.tasks.translation.grammar.tables import Aspect

Form = Literal["past", "progressive", "habit", "future", "already", "never", "modal", "state"]
"""How an action is seen: *read*, *is reading*, *reads*, *will read*, *has already read*, *has never read* …"""

OBJECTS = tuple(kind for kind in lexicon.NOUNS if lexicon.VERBS_BY_OBJECT[kind]["action"])
MOVABLE = frozenset(("person", "kin", "animal", "text", "print", "thing"))
"""Kinds of objects that one may deal with at any place."""


ADVERBS: dict[Form, tuple[str, str]] = {"already": ("already", "已经"), "never": ("never", "从来没")}
TIMES: dict[Form, tuple[tuple[str, str], ...]] = {
    "past": lexicon.PASTS,
    "habit": lexicon.HABITS,
    "future": lexicon.PLANS,
    "modal": lexicon.PLANS,
}


@dataclass(frozen=True, slots=True)
class Clause:
    """What a clause says; its English and its Chinese are made from it.

    ``goal`` follows the verb in both languages (把 puts the object before the verb then). ``denial`` are the concepts
    of *not*. ``modal`` is an English and a Chinese modal verb.
    """

    subject: NounPhrase
    verb: Verb
    form: Form
    concept: int
    object: Phrase = NOTHING
    goal: Phrase = NOTHING
    whom: Phrase = NOTHING
    frequency: Phrase = NOTHING
    manner: Phrase = NOTHING
    company: Phrase = NOTHING
    place: Phrase = NOTHING
    time: Phrase = NOTHING
    denial: tuple[int, ...] = ()
    modal: Phrase = NOTHING


def transitive(draw: Draw, subject: NounPhrase, form: Form, *, denial: float = 0.12) -> Clause:
    """Someone does something to something; ``denial`` is how often they don't."""
    kind, verb = object_and_verb(draw, form)
    denied = form not in ("progressive", "already", "never") and draw.chance(denial)
    what = thing(draw, kind, _article(form, denied=denied))
    clause = Clause(subject, verb, form, draw.concept(), Phrase(what.source, what.target))
    return _finished(draw, clause, denied=denied, places=_places(kind))


def _article(form: Form, *, denied: bool) -> Article:
    if form in ("habit", "state"):
        return "general"
    return "definite" if denied or form == "never" else "any"


def object_and_verb(draw: Draw, form: Form) -> tuple[str, Verb]:
    """A kind of object and a verb that goes with it and with the form."""
    while True:
        kind = draw.pick(OBJECTS)
        aspect: Aspect = "state" if form == "state" else "action"
        if form in ("past", "already") and draw.chance(0.12):
            aspect = "event"
        verbs = lexicon.VERBS_BY_OBJECT[kind][aspect]
        if verbs:
            return kind, draw.pick(verbs)


def intransitive(draw: Draw, subject: NounPhrase, form: Form, *, denial: float = 0.1) -> Clause:
    """Someone does something; ``denial`` is how often they don't."""
    clause = Clause(subject, draw.pick(lexicon.INTRANSITIVES), form, draw.concept())
    denied = form in ("past", "future") and draw.chance(denial)
    return _finished(draw, clause, denied=denied, places=lexicon.PLACES)


def _places(kind: str) -> tuple[Place, ...]:
    """The places where one deals with objects of a kind."""
    if kind in ("food", "dish", "drink"):
        return lexicon.EATING_PLACES
    return lexicon.PLACES if kind in MOVABLE else ()


def transfer(draw: Draw, subject: NounPhrase, form: Form) -> Clause:
    """Someone does something for someone: *writes a letter to Mary*, 给玛丽写一封信."""
    verb = draw.pick(lexicon.TRANSFERS)
    noun = lexicon.NOUNS_BY_NAME[draw.pick(verb.kinds)]
    what = noun_phrase(draw, noun, "general" if form == "habit" else "any")
    to = (draw.concept(),)
    other = thing(draw, "kin" if draw.chance(0.25) else "person", "definite")
    whom = Phrase([Word(verb.preposition, to), *other.source], [Word("给", to), *other.target])
    clause = Clause(subject, verb, form, draw.concept(), Phrase(what.source, what.target), whom=whom)
    return with_time(draw, clause)


def placement(draw: Draw, subject: NounPhrase, form: Form) -> Clause:
    """Someone puts something somewhere: *put the book on the table*, 把那本书放在桌子上."""
    what = thing(draw, draw.pick(("text", "print", "thing", "clothes")), "definite")
    spot = at(draw, draw.pick(lexicon.SPOTS))
    verb = draw.pick(lexicon.PLACEMENTS)
    clause = Clause(subject, verb, form, draw.concept(), Phrase(what.source, what.target), goal=spot)
    return with_time(draw, clause)


def any_clause(draw: Draw, form: Form, subject: NounPhrase | None = None) -> Clause:
    """A clause of any sort in this form."""
    someone = subject or person(draw)
    point = 0.0 if form in ("state", "already", "never") else draw.random.random()
    if point < 0.62:
        return transitive(draw, someone, form)
    if point < 0.78:
        return intransitive(draw, someone, form)
    if point < 0.9 or form in ("progressive", "habit"):
        return transfer(draw, someone, form)
    return placement(draw, someone, form)


def _finished(draw: Draw, clause: Clause, *, denied: bool, places: tuple[Place, ...]) -> Clause:
    """Adds a denial, or else company, place and manner now and then; then a time and a modal verb."""
    if denied:
        clause = replace(clause, denial=(draw.concept(),))
    elif clause.form != "state" and clause.verb.aspect == "action":
        if places and draw.chance(0.4):
            clause = replace(clause, place=at(draw, draw.pick(places)))
        if draw.chance(0.12):
            clause = replace(clause, company=company(draw))
        elif draw.chance(0.12) and clause.object.source and clause.form in ("past", "progressive"):
            clause = replace(clause, manner=draw.phrase(*draw.pick(lexicon.MANNERS)))
    return with_time(draw, clause)


def with_time(draw: Draw, clause: Clause) -> Clause:
    """Adds when or how often, most of the time, and what else the form asks for: a modal verb, *already*, *never*."""
    form = clause.form
    if form in ADVERBS:
        return replace(clause, frequency=draw.phrase(*ADVERBS[form]))
    if form == "modal":
        clause = replace(clause, modal=_modal(draw, denied=bool(clause.denial)))
    if form == "habit":
        if clause.denial:
            return clause
        if draw.chance(0.6):
            return replace(clause, frequency=draw.phrase(*draw.pick(lexicon.FREQUENCIES)))
    if form not in TIMES or draw.chance(0.35):
        return clause
    return replace(clause, time=draw.phrase(*draw.pick(TIMES[form])))


def _modal(draw: Draw, *, denied: bool) -> Phrase:
    modals = [entry for entry in lexicon.MODALS if entry[0] != "must" or not denied]
    here, there = draw.pick(modals)
    concept = (draw.concept(),)
    return Phrase(words(here, concept), words(there, concept))


def timeless(clause: Clause) -> Clause:
    """The clause without when and how often, to stand beside a clause that says it."""
    return replace(clause, time=NOTHING, frequency=NOTHING)
