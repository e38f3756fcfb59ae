"""Clauses: who does what to what, when and where, with the German and the English parts side by side."""

from dataclasses import dataclass, field, replace
from typing import Literal

from seqpo.tasks.translation.grammar.derivation import NOTHING, Draw, Phrase, Word
from seqpo.tasks.translation.grammar.german_english import lexicon
from seqpo.tasks.translation.grammar.german_english.lexicon import SEIN, Modal, Verb
from seqpo.tasks.translation.grammar.german_english.phrases import (
    NounPhrase,
    goal,
    location,
    noun_phrase,
    person,
)

Tense = Literal["present", "past"]
"""The German present is the English simple present, the German perfect the English simple past."""

OBJECTS = tuple(lexicon.TRANSITIVES_BY_OBJECT)
HANDLED = frozenset(("food", "drink", "text", "thing", "clothes", "opening"))
"""Kinds of objects that one may deal with quickly or carefully."""

MOVABLE = frozenset(("food", "drink", "text", "thing", "clothes", "person", "animal"))
"""Kinds of objects that one may meet at any place."""


@dataclass(frozen=True, slots=True)
class Clause:
    """What a clause says; the orders of its words in German and English are made from it.

    ``early`` and ``middle`` stand between the two places of the German verb, before and after the time;
    ``rest`` follows the English verb, before the time. ``denial`` are the concepts of *nicht* or *kein*.
    ``after`` ends the clause in both languages: a relative clause of the object.
    """

    subject: NounPhrase
    verb: Verb
    tense: Tense
    concept: int
    middle: list[Word]
    rest: list[Word]
    early: list[Word] = field(default_factory=list)
    modal: Modal | None = None
    modal_concept: int = 0
    denial: tuple[int, ...] = ()
    frequency: Phrase = NOTHING
    time: Phrase = NOTHING
    after: Phrase = NOTHING


def transitive(draw: Draw, subject: NounPhrase, tense: Tense, verbs: tuple[Verb, ...] | None = None) -> Clause:
    """Someone does something to something, or doesn't; ``verbs`` limits the choice."""
    kind, verb = object_and_verb(draw, tense, verbs)
    concept = draw.concept()
    if not draw.chance(0.12):
        thing = noun_phrase(draw, kind, "accusative")
        clause = Clause(subject, verb, tense, concept, thing.source, thing.target)
        return with_time(draw, _with_circumstance(draw, clause, kind, definite=thing.definite))
    if draw.chance(0.5):
        thing = noun_phrase(draw, kind, "accusative", "kein")
        denial = thing.source[0].concepts
        clause = Clause(subject, verb, tense, concept, thing.source, thing.target, denial=denial)
    else:
        thing = noun_phrase(draw, kind, "accusative", "definite")
        denial = (draw.concept(),)
        middle = [*thing.source, Word("nicht", denial)]
        clause = Clause(subject, verb, tense, concept, middle, thing.target, denial=denial)
    return with_time(draw, clause)


def object_and_verb(draw: Draw, tense: Tense, verbs: tuple[Verb, ...] | None = None) -> tuple[str, Verb]:
    """A kind of object and a verb for it, of all or some verbs; states are always in the present."""
    while True:
        if verbs is None:
            kind = draw.pick(OBJECTS)
            verb = draw.pick(lexicon.TRANSITIVES_BY_OBJECT[kind])
        else:
            verb = draw.pick(verbs)
            kind = draw.pick(verb.kinds)
        if tense == "present" or verb.aspect != "state":
            return kind, verb


def _with_circumstance(draw: Draw, clause: Clause, kind: str, *, definite: bool) -> Clause:
    """Adds a place or a manner, now and then."""
    point = draw.random.random()
    if point < 0.3 and kind in MOVABLE and clause.verb.aspect != "state":
        where = location(draw)
        return replace(clause, middle=where.source + clause.middle, rest=clause.rest + where.target)
    if point > 0.85 and kind in HANDLED and clause.verb.aspect == "action" and not clause.denial:
        how = draw.phrase(*draw.pick(lexicon.MANNERS))
        middle = clause.middle + how.source if definite else how.source + clause.middle
        return replace(clause, middle=middle, rest=clause.rest + how.target)
    return clause


def with_time(draw: Draw, clause: Clause) -> Clause:
    """Adds when or how often, most of the time."""
    if clause.verb.aspect == "state":
        return clause
    if clause.tense == "past":
        when = lexicon.PASTS if draw.chance(0.65) else ()
    else:
        when = lexicon.HABITS if draw.chance(0.6) and not clause.denial else ()
        if when and draw.chance(0.5):
            return replace(clause, frequency=draw.phrase(*draw.pick(lexicon.FREQUENCIES)))
    return replace(clause, time=draw.phrase(*draw.pick(when))) if when else clause


def timeless(clause: Clause) -> Clause:
    """The clause without when and how often, to stand beside a clause that says it."""
    return replace(clause, time=NOTHING, frequency=NOTHING)


def transfer(draw: Draw, subject: NounPhrase, tense: Tense) -> Clause:
    """Someone gives something to someone."""
    kind = draw.pick(tuple(lexicon.TRANSFERS_BY_OBJECT))
    verb = draw.pick(lexicon.TRANSFERS_BY_OBJECT[kind])
    whom = person(draw, "dative")
    thing = noun_phrase(draw, kind, "accusative")
    concept = draw.concept()
    to_whom = [Word(verb.to, (concept,)), *whom.target]
    rest = thing.target + to_whom if verb.to else whom.target + thing.target
    clause = Clause(subject, verb, tense, concept, thing.source, rest, early=whom.source)
    return with_time(draw, clause)


def intransitive(draw: Draw, subject: NounPhrase, tense: Tense, kind: str = "person") -> Clause:
    """Someone or something does something."""
    verb = draw.pick(lexicon.INTRANSITIVES_BY_SUBJECT[kind])
    clause = Clause(subject, verb, tense, draw.concept(), [], [])
    if draw.chance(0.12):
        no = draw.concept()
        return with_time(draw, replace(clause, middle=[Word("nicht", (no,))], denial=(no,)))
    if kind == "person" and not verb.prefix and draw.chance(0.4):
        where = location(draw)
        clause = replace(clause, middle=where.source, rest=where.target)
    return with_time(draw, clause)


def motion(draw: Draw, subject: NounPhrase, tense: Tense) -> Clause:
    """Someone goes somewhere."""
    verb = draw.pick(lexicon.MOTIONS)
    to = goal(draw, verb.kinds)
    return with_time(draw, Clause(subject, verb, tense, draw.concept(), to.source, to.target))


def feeling(draw: Draw, subject: NounPhrase, tense: Tense) -> Clause:
    """Someone is happy, or not."""
    how = draw.phrase(*draw.pick(lexicon.FEELINGS))
    clause = Clause(subject, SEIN, tense, draw.concept(), how.source, how.target)
    if draw.chance(0.15):
        no = draw.concept()
        return replace(clause, middle=[Word("nicht", (no,)), *how.source], denial=(no,))
    return clause


def any_clause(draw: Draw, tense: Tense) -> Clause:
    """A clause of any sort."""
    point = draw.random.random()
    if point < 0.08:
        kind = "transport" if draw.chance(0.6) else "animal"
        return intransitive(draw, noun_phrase(draw, kind, "nominative"), tense, kind)
    subject = person(draw)
    if point < 0.62:
        return transitive(draw, subject, tense)
    if point < 0.8:
        return transfer(draw, subject, tense)
    if point < 0.9:
        return intransitive(draw, subject, tense)
    return motion(draw, subject, tense)


def modal_clause(draw: Draw, tense: Tense) -> Clause:
    """Someone can, wants to, has to or may do something."""
    subject = person(draw)
    point = draw.random.random()
    if point < 0.65:
        clause = transitive(draw, subject, tense, lexicon.ACTIONS)
    elif point < 0.85:
        clause = transfer(draw, subject, tense)
    else:
        clause = motion(draw, subject, tense)
    time = clause.time
    if tense == "present":
        time = draw.phrase(*draw.pick(lexicon.PLANS)) if draw.chance(0.5) else NOTHING
    modal = draw.pick(lexicon.MODALS)
    return replace(clause, modal=modal, modal_concept=draw.concept(), time=time, frequency=NOTHING)
