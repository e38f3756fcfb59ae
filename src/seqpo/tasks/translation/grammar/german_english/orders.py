"""The order of words: a clause as German says it (verb second, verb last) and as English says it.

The end of a German clause is what a simultaneous translator waits for: the participle, the infinitive and the
separable prefix of a main clause, the whole verb of a subordinate one.
"""

from seqpo.tasks.translation.grammar import english
from seqpo.tasks.translation.grammar.derivation import Phrase, Word
from seqpo.tasks.translation.grammar.german_english import german
from seqpo.tasks.translation.grammar.german_english.clauses import Clause
from seqpo.tasks.translation.grammar.german_english.lexicon import SEIN


def _verb_words(clause: Clause, *, final: bool) -> tuple[Word, list[Word]]:
    """The finite verb and what stands at the end of the clause, with the heads marked."""
    verb, agreement, concept = clause.verb, clause.subject.agreement, (clause.concept,)
    if clause.modal is not None:
        modal, past = clause.modal, clause.tense == "past"
        singular, plural = (modal.past_singular, modal.past_plural) if past else (modal.singular, modal.plural)
        finite = Word(plural if agreement == "p" else singular, (clause.modal_concept,), head=final)
        return finite, [Word(verb.prefix + verb.infinitive, concept, head=True)]
    if verb is SEIN:
        if clause.tense == "past":
            return Word("waren" if agreement == "p" else "war", concept, head=final), []
        return Word(german.auxiliary("ist", agreement), concept, head=final), []
    if clause.tense == "past":
        finite = Word(german.auxiliary(verb.auxiliary, agreement), concept)
        return finite, [Word(verb.participle, concept, head=True)]
    form = german.present(verb.infinitive, verb.finite, agreement)
    if final:
        return Word(verb.prefix + form, concept, head=True), []
    return Word(form, concept), [Word(verb.prefix, concept, head=True)] if verb.prefix else []


def _middle(clause: Clause) -> list[Word]:
    """What stands between the two places of the verb."""
    return [*clause.early, *clause.time.source, *clause.frequency.source, *clause.middle]


def verb_second(clause: Clause, first: Phrase | None = None) -> list[Word]:
    """A main clause: the finite verb is the second part, after the subject or after ``first``.

    ``NOTHING`` as ``first`` leaves the first place to what was said before, or to a question.
    """
    finite, end = _verb_words(clause, final=False)
    subject = clause.subject.source
    start = [*subject, finite] if first is None else [*first.source, finite, *subject]
    return [*start, *_middle(clause), *end, *clause.after.source]


def verb_final(clause: Clause) -> list[Word]:
    """A subordinate clause, without its conjunction: the verb stands at the end, the finite one last."""
    finite, end = _verb_words(clause, final=True)
    return [*clause.subject.source, *_middle(clause), *end, finite, *clause.after.source]


def english_order(clause: Clause, *, question: bool = False, time_first: bool = False) -> list[Word]:
    """The clause in English: subject, verb, objects, place, time."""
    before, verb = _verb_group(clause, question=question)
    subject = clause.subject.target
    opening = [*before, *subject, *verb] if question else [*subject, *before, *verb]
    if time_first:
        return [*clause.time.target, *opening, *clause.rest, *clause.after.target]
    return [*opening, *clause.rest, *clause.time.target, *clause.after.target]


def _verb_group(clause: Clause, *, question: bool) -> tuple[list[Word], list[Word]]:
    """The verb that *not* follows and a question begins with (*do*, *be*, *can*; if any), and the others."""
    past, agreement = clause.tense == "past", clause.subject.agreement
    chain = [(text, (clause.concept,), index == 0) for index, text in enumerate(clause.verb.english.split())]
    if clause.modal is not None:
        words = clause.modal.english.split()
        chain = [(text, (clause.modal_concept,), index == 0) for index, text in enumerate(words)] + chain
    (first, concept, head), *others = chain
    tail = [Word(*link) for link in others]
    denial = [Word("not", clause.denial)] if clause.denial else []
    often = clause.frequency.target
    if first == "be":
        operator = Word(english.be(agreement, past=past), concept, head)
    elif first == "can":
        operator = Word("could" if past else "can", concept, head)
        if denial and not past and not question:
            return [Word("cannot", concept + clause.denial, head)], often + tail
    elif denial or question:
        auxiliary = "did" if past else english.present("do", agreement)
        return [Word(auxiliary, concept), *denial], [*often, Word(first, concept, head), *tail]
    else:
        form = english.past(first) if past else english.present(first, agreement)
        return [], [*often, Word(form, concept, head), *tail]
    return [operator, *denial], often + tail
