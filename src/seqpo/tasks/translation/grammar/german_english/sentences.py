"""Whole sentences: main clauses, subordinate clauses with the verb at the end, infinitives, questions."""

from dataclasses import dataclass, replace

from seqpo.tasks.translation.corpora import Pair
from seqpo.tasks.translation.grammar.derivation import NOTHING, Draw, Phrase, Word, finish, pair
from seqpo.tasks.translation.grammar.german_english import german, lexicon
from seqpo.tasks.translation.grammar.german_english.clauses import (
    Clause,
    Tense,
    any_clause,
    feeling,
    intransitive,
    modal_clause,
    motion,
    object_and_verb,
    timeless,
    transfer,
    transitive,
    with_time,
)
from seqpo.tasks.translation.grammar.german_english.orders import english_order, verb_final, verb_second
from seqpo.tasks.translation.grammar.german_english.phrases import NounPhrase, noun_phrase, person

COMMA = Word(",")
STOP = Word(".")


@dataclass(frozen=True, slots=True)
class Conjunction:
    """A conjunction of subordinate clauses; ``tense`` if only one goes with it.

    ``first`` is how often its clause comes first; ``comma`` says whether English wants one before it.
    """

    german: str
    english: str
    tense: Tense | None
    first: float
    comma: bool = False


CONJUNCTIONS = (
    Conjunction("weil", "because", None, 0.1),
    Conjunction("obwohl", "although", None, 0.4, comma=True),
    Conjunction("da", "since", None, 0.8),
    Conjunction("wenn", "when", "present", 0.7),
    Conjunction("falls", "if", "present", 0.7),
    Conjunction("als", "when", "past", 0.6),
    Conjunction("bevor", "before", None, 0.5),
    Conjunction("sobald", "as soon as", None, 0.6),
)


def simple(draw: Draw) -> Phrase:
    """A main clause; the subject, the time or the object stands first."""
    clause = any_clause(draw, _tense(draw, past=0.65))
    if clause.time.source and draw.chance(0.45):
        source = verb_second(replace(clause, time=NOTHING), clause.time)
        return _stop(source, english_order(clause, time_first=True))
    return _stop(verb_second(clause), english_order(clause))


def object_first(draw: Draw) -> Phrase:
    """A main clause that begins with its object: *Den Apfel hat der Mann gekauft.*"""
    tense = _tense(draw, past=0.8)
    subject = person(draw)
    kind, verb = object_and_verb(draw, tense)
    thing = noun_phrase(draw, kind, "accusative", "definite")
    if thing.gender != "m":  # only a masculine accusative looks like one
        return simple(draw)
    clause = with_time(draw, Clause(subject, verb, tense, draw.concept(), [], thing.target))
    return _stop(verb_second(clause, Phrase(thing.source, [])), english_order(clause))


def with_modal(draw: Draw) -> Phrase:
    """A main clause with a modal verb."""
    clause = modal_clause(draw, _tense(draw, past=0.5))
    return _stop(verb_second(clause), english_order(clause))


def separable(draw: Draw) -> Phrase:
    """A main clause in the present whose prefix is still to come."""
    if draw.chance(0.7):
        clause = transitive(draw, person(draw), "present", lexicon.SEPARABLE_ACTIONS)
    else:
        kind = draw.pick(("person", "animal", "transport"))
        subject = person(draw) if kind == "person" else noun_phrase(draw, kind, "nominative")
        clause = intransitive(draw, subject, "present", kind)
    return _stop(verb_second(clause), english_order(clause))


def reported(draw: Draw) -> Phrase:
    """What someone knows, says or asks: *dass* and *ob* clauses."""
    tense = _tense(draw, past=0.35)
    said = _subordinate_clause(draw, "past" if tense == "past" else _tense(draw, past=0.6))
    asks = draw.chance(0.2)
    verb = lexicon.ASK if asks else draw.pick(lexicon.THAT_VERBS)
    main = Clause(person(draw), verb, tense, draw.concept(), [], [])
    link = draw.phrase("ob", "whether") if asks else draw.phrase("dass", "that")
    source = [*verb_second(main), COMMA, *link.source, *verb_final(said)]
    return _stop(source, [*english_order(main), *link.target, *english_order(said)])


def joined(draw: Draw) -> Phrase:
    """A main clause and its circumstances: *weil*, *obwohl*, *wenn* … before or after it."""
    conjunction = draw.pick(CONJUNCTIONS)
    tense = conjunction.tense or _tense(draw, past=0.6)
    circumstance = _subordinate_clause(draw, tense)
    main = timeless(_short_clause(draw, tense, felt=conjunction.german in ("weil", "obwohl", "da")))
    link = draw.phrase(conjunction.german, conjunction.english)
    source = [*link.source, *verb_final(circumstance)]
    target = [*link.target, *english_order(circumstance)]
    if draw.chance(conjunction.first):
        return _stop([*source, COMMA, *verb_second(main, NOTHING)], [*target, COMMA, *english_order(main)])
    pause = [COMMA] if conjunction.comma else []
    return _stop([*verb_second(main), COMMA, *source], [*english_order(main), *pause, *target])


def purpose(draw: Draw) -> Phrase:
    """What someone goes to do, tries or forgets: *um … zu* and *zu* with the infinitive."""
    tense = _tense(draw, past=0.65)
    subject = person(draw)
    aim = timeless(transitive(draw, subject, tense, lexicon.ACTIONS))
    if aim.denial:
        return purpose(draw)
    to = draw.concept()
    concept = (aim.concept,)
    verb = aim.verb
    if verb.prefix:
        end = [Word(verb.prefix + "zu" + verb.infinitive, (*concept, to), head=True)]
    else:
        end = [Word("zu", (to,)), Word(verb.infinitive, concept, head=True)]
    first, *others = verb.english.split()
    target = [Word("to", (to,)), Word(first, concept, head=True), *(Word(text, concept) for text in others)]
    if draw.chance(0.5):
        main = Clause(subject, draw.pick(lexicon.TRY_VERBS), tense, draw.concept(), [], [])
        opening = [COMMA]
    else:
        main = motion(draw, subject, tense)
        opening = [COMMA, Word("um", (to,))]
    source = [*verb_second(main), *opening, *aim.middle, *end]
    return _stop(source, [*english_order(main), *target, *aim.rest])


def described(draw: Draw) -> Phrase:
    """A sentence with a relative clause about its object or its subject."""
    tense = _tense(draw, past=0.5)
    if draw.chance(0.5):
        clause = with_relative(draw, person(draw), tense)
        return _stop(verb_second(clause), english_order(clause))
    head = noun_phrase(draw, "person", "nominative")
    more = relative_clause(draw, head, tense)
    subject = replace(head, source=head.source + more.source, target=head.target + more.target)
    clause = _short_clause(draw, tense, felt=True, subject=subject)
    return _stop(verb_second(clause), english_order(clause))


def question(draw: Draw) -> Phrase:
    """A question that is answered by yes or no."""
    clause = any_clause(draw, _tense(draw, past=0.75))
    if clause.denial:
        return question(draw)
    mark = Word("?")
    return Phrase([*verb_second(clause, NOTHING), mark], [*english_order(clause, question=True), mark])


def contrast(draw: Draw) -> Phrase:
    """Two main clauses."""
    tense = _tense(draw, past=0.75)
    one = _short_clause(draw, tense, felt=True)
    other = timeless(_short_clause(draw, tense, felt=False))
    link = draw.phrase("aber", "but") if draw.chance(0.6) else draw.phrase("und", "and")
    source = [*verb_second(one), COMMA, *link.source, *verb_second(other)]
    return _stop(source, [*english_order(one), COMMA, *link.target, *english_order(other)])


def with_relative(draw: Draw, subject: NounPhrase, tense: Tense) -> Clause:
    """Someone does something to something about which a relative clause tells more."""
    kind, verb = object_and_verb(draw, tense)
    thing = noun_phrase(draw, kind, "accusative")
    after = relative_clause(draw, thing, tense)
    return Clause(subject, verb, tense, draw.concept(), thing.source, thing.target, after=after)


def relative_clause(draw: Draw, head: NounPhrase, tense: Tense) -> Phrase:
    """A relative clause about a noun phrase with a noun, its German commas included.

    Its tense is the past unless ``tense`` and chance say otherwise. A person is its subject, a thing its object.
    """
    assert head.noun is not None, "names and pronouns have no relative clauses"
    when: Tense = "present" if tense == "present" and draw.chance(0.3) else "past"
    about = (draw.concept(),)
    if head.noun.kind == "person":
        pronoun = german.relative_pronoun(head.gender, "nominative")
        subject = NounPhrase([Word(pronoun, about)], [Word("who", about)], head.agreement)
        clause = transfer(draw, subject, when) if draw.chance(0.25) else transitive(draw, subject, when)
        return Phrase([COMMA, *verb_final(clause), COMMA], english_order(clause))
    pronoun = german.relative_pronoun(head.gender, "accusative")
    _, verb = object_and_verb(draw, when, lexicon.TRANSITIVES_BY_OBJECT[head.noun.kind])
    clause = with_time(draw, Clause(person(draw), verb, when, draw.concept(), [], []))
    source = [COMMA, Word(pronoun, about), *verb_final(clause), COMMA]
    return Phrase(source, [Word("that", about), *english_order(clause)])


def _tense(draw: Draw, *, past: float) -> Tense:
    return "past" if draw.chance(past) else "present"


def _subordinate_clause(draw: Draw, tense: Tense) -> Clause:
    return modal_clause(draw, tense) if draw.chance(0.15) else any_clause(draw, tense)


def _short_clause(draw: Draw, tense: Tense, *, felt: bool, subject: NounPhrase | None = None) -> Clause:
    """A clause that leaves room for another one; ``felt`` allows *is happy*."""
    someone = subject or person(draw)
    if felt and draw.chance(0.5):
        return feeling(draw, someone, tense)
    if draw.chance(0.4):
        return intransitive(draw, someone, tense)
    return transitive(draw, someone, tense)


def _stop(source: list[Word], target: list[Word]) -> Phrase:
    return Phrase([*source, STOP], [*target, STOP])


SENTENCES = (
    (0.29, simple),
    (0.02, object_first),
    (0.14, reported),
    (0.21, joined),
    (0.07, separable),
    (0.08, with_modal),
    (0.06, purpose),
    (0.08, described),
    (0.03, question),
    (0.02, contrast),
)


def sentence(draw: Draw) -> Pair:
    """A sentence of any sort and its translation, in words."""
    source, target = draw.weighted(SENTENCES)(draw)
    return pair(finish(source, "word"), finish(target, "word"))
