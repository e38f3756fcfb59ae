"""Whole sentences: main clauses, and the relative clauses and circumstances that Chinese says before English does."""

from dataclasses import dataclass
from operator import attrgetter

from seqpo.tasks.translation.corpora import Pair
from seqpo.tasks.translation.grammar import english
from seqpo.tasks.translation.grammar.derivation import Draw, Phrase, Word, finish, pair, words
from seqpo.tasks.translation.grammar.english_chinese import lexicon
from seqpo.tasks.translation.grammar.english_chinese.clauses import (
    Clause,
    Form,
    any_clause,
    intransitive,
    object_and_verb,
    timeless,
    transfer,
    transitive,
    with_time,
)
from seqpo.tasks.translation.grammar.english_chinese.lexicon import Noun
from seqpo.tasks.translation.grammar.english_chinese.orders import in_chinese, in_english
from seqpo.tasks.translation.grammar.english_chinese.phrases import NounPhrase, at, person, the

Weighted = tuple[tuple[float, Form], ...]

FORMS: Weighted = (
    (0.44, "past"),
    (0.13, "progressive"),
    (0.13, "habit"),
    (0.10, "future"),
    (0.04, "already"),
    (0.04, "never"),
    (0.07, "modal"),
    (0.05, "state"),
)
REPORTED_FORMS: Weighted = ((0.5, "past"), (0.2, "habit"), (0.3, "future"))
OBJECT_FORMS: Weighted = ((0.8, "past"), (0.2, "habit"))
SUBJECT_FORMS: Weighted = ((0.65, "past"), (0.2, "progressive"), (0.15, "habit"))
OBJECT_MAIN_FORMS: Weighted = ((0.6, "past"), (0.2, "state"), (0.2, "progressive"))
SUBJECT_MAIN_FORMS: Weighted = ((0.7, "past"), (0.3, "state"))
REASON_FORMS: Weighted = ((0.85, "past"), (0.15, "habit"))


@dataclass(frozen=True, slots=True)
class Link:
    """A conjunction. Chinese says its clause first: ``opening``, the clause, ``closing``, ``answer``, the main clause.

    ``infix`` and ``answer_infix`` stand before the two verbs. An ``ended`` clause keeps its 了. ``comma`` is the one
    that English has between a main clause and this one.
    """

    english: str
    opening: str = ""
    closing: str = ""
    answer: str = ""
    infix: str = ""
    answer_infix: str = ""
    ended: bool = True
    comma: bool = False


REASONS = (Link("because", "因为", answer="所以"), Link("although", "虽然", answer="但是", comma=True))
OCCASIONS = (
    Link("when", closing="的时候", ended=False),
    Link("after", closing="以后"),
    Link("before", closing="以前", ended=False),
    Link("as soon as", infix="一", answer_infix="就", ended=False),
)
IF = Link("if", "如果", answer_infix="就")


# Main clauses


def simple(draw: Draw) -> Phrase:
    """A main clause; now and then its time comes first."""
    clause = any_clause(draw, draw.weighted(FORMS))
    if clause.form == "past" and clause.time.source and draw.chance(0.15):
        source = [*clause.time.source, *in_english(timeless(clause))]
        return _stop(source, [*clause.time.target, *in_chinese(timeless(clause))])
    return _stop(in_english(clause), in_chinese(clause))


def reported(draw: Draw) -> Phrase:
    """What someone knows or said."""
    past = draw.chance(0.5)
    verb = draw.pick(lexicon.REPORTS if past else lexicon.SAYINGS)
    main = Clause(person(draw), verb, "past" if past else "state", draw.concept())
    said = any_clause(draw, "past" if past else draw.weighted(REPORTED_FORMS))
    source = [*in_english(main), Word("that"), *in_english(said)]
    return _stop(source, [*in_chinese(main, ended=False), *in_chinese(said)])


# Circumstances


def reason(draw: Draw) -> Phrase:
    """Something and why it is so, or in spite of what."""
    inner = any_clause(draw, draw.weighted(REASON_FORMS))
    main = feeling(draw, person(draw)) if draw.chance(0.5) else _response(draw, "past")
    return _arranged(draw, draw.pick(REASONS), inner, main)


def occasion(draw: Draw) -> Phrase:
    """Something and when it happened."""
    link, inner = draw.pick(OCCASIONS), _short(draw, "past", denial=0.0)
    return _arranged(draw, link, inner, _response(draw, "past", link.answer_infix, denial=0.0))


def condition(draw: Draw) -> Phrase:
    """What will happen, and if what does."""
    inner = timeless(_short(draw, "habit"))
    return _arranged(draw, IF, inner, _response(draw, "future", IF.answer_infix))


def feeling(draw: Draw, who: NounPhrase) -> Phrase:
    """Someone was happy, or was not."""
    concept, (how, chinese) = (draw.concept(),), draw.pick(lexicon.FEELINGS)
    be = Word(english.be(who.agreement, past=True), concept)
    if draw.chance(0.15):
        no = (draw.concept(),)
        source = [*who.source, be, Word("not", no), Word(how, concept)]
        return Phrase(source, [*who.target, Word("不", no), Word(chinese, concept)])
    return Phrase([*who.source, be, Word(how, concept)], [*who.target, Word("很" + chinese, concept)])


def _short(draw: Draw, form: Form, *, denial: float = 0.1) -> Clause:
    subject = person(draw)
    if draw.chance(0.75):
        return transitive(draw, subject, form, denial=denial)
    return intransitive(draw, subject, form, denial=denial)


def _response(draw: Draw, form: Form, infix: str = "", *, denial: float = 0.1) -> Phrase:
    clause = timeless(_short(draw, form, denial=denial))
    return Phrase(in_english(clause), in_chinese(clause, infix=infix))


def _arranged(draw: Draw, link: Link, inner: Clause, main: Phrase) -> Phrase:
    """English says the circumstance first or last, Chinese first; if English says it last, its verb is waited for."""
    first = draw.chance(0.3)
    concept = (draw.concept(),)
    clause = [*words(link.english, concept), *in_english(inner, waited=not first)]
    if first:
        source = [*clause, Word(","), *main.source]
    else:
        source = [*main.source, *([Word(",")] if link.comma else []), *clause]
    target = [
        *words(link.opening, concept),
        *in_chinese(inner, waited=not first, ended=link.ended, infix=link.infix),
        *words(link.closing, concept),
        Word("，"),
        *words(link.answer, concept),
        *main.target,
    ]
    return _stop(source, target)


# Relative clauses and other descriptions


def described_object(draw: Draw) -> Phrase:
    """A sentence that ends with a noun and what tells it from others: *the book that I bought*, 我买的那本书."""
    form = draw.weighted(OBJECT_MAIN_FORMS)
    who = person(draw)
    kind, verb = object_and_verb(draw, form)
    if kind == "kin":
        return described_object(draw)
    noun = draw.fresh(lexicon.NOUNS[kind], attrgetter("english"))
    what = the(draw, noun, _about(draw, noun), many=draw.chance(0.2))
    clause = Clause(who, verb, form, draw.concept(), Phrase(what.source, what.target))
    return _stop(in_english(clause), in_chinese(clause))


def described_subject(draw: Draw) -> Phrase:
    """A sentence whose subject is described: *the girl who bought the book*, 买了那本书的那个女孩."""
    noun = draw.fresh(lexicon.NOUNS["person"], attrgetter("english"))
    many = draw.chance(0.2)
    who = the(draw, noun, _deed(draw, draw.weighted(SUBJECT_FORMS), many=many), many=many)
    if draw.chance(0.35):
        return _stop(*feeling(draw, who))
    clause = timeless(any_clause(draw, draw.weighted(SUBJECT_MAIN_FORMS), who))
    return _stop(in_english(clause), in_chinese(clause))


def _about(draw: Draw, noun: Noun) -> Phrase:
    """What tells a thing or person from others."""
    if noun.kind == "person":
        return _deed(draw, draw.weighted(SUBJECT_FORMS), many=False)
    if noun.kind in ("thing", "text", "print") and draw.chance(0.25):
        spot = at(draw, draw.pick(lexicon.SPOTS), verb="")
        return Phrase(spot.source, [*spot.target, Word("的", spot.source[0].concepts)])
    form = draw.weighted(OBJECT_FORMS)
    verbs = lexicon.VERBS_BY_OBJECT[noun.kind]["action"]
    clause = with_time(draw, Clause(person(draw), draw.pick(verbs), form, draw.concept()))
    that = (draw.concept(),)
    source = [Word("that", that), *in_english(clause, waited=True)]
    return Phrase(source, [*in_chinese(clause, waited=True, ended=False), Word("的", that)])


def _deed(draw: Draw, form: Form, *, many: bool) -> Phrase:
    """A relative clause about someone who does something."""
    who = (draw.concept(),)
    subject = NounPhrase([Word("who", who)], [], "p" if many else "3s")
    point = draw.random.random()
    if point < 0.6:
        clause = transitive(draw, subject, form)
    elif point < 0.8:
        clause = transfer(draw, subject, form)
    else:
        clause = intransitive(draw, subject, form)
    ended = bool(clause.object.source)
    return Phrase(in_english(clause, waited=True), [*in_chinese(clause, waited=True, ended=ended), Word("的", who)])


def _stop(source: list[Word], target: list[Word]) -> Phrase:
    return Phrase([*source, Word(".")], [*target, Word("。")])


SENTENCES = (
    (0.36, simple),
    (0.06, reported),
    (0.13, reason),
    (0.08, occasion),
    (0.06, condition),
    (0.19, described_object),
    (0.12, described_subject),
)


def sentence(draw: Draw) -> Pair:
    """A sentence of any sort and its translation: English words, Chinese characters."""
    source, target = draw.weighted(SENTENCES)(draw)
    return pair(finish(source, "word"), finish(target, "char"))
