"""The order of words: a clause as English says it and as Chinese says it."""

from seqpo.tasks.translation.grammar import english
from seqpo.tasks.translation.grammar.derivation import Word
from seqpo.tasks.translation.grammar.english_chinese.clauses import Clause


def in_english(clause: Clause, *, waited: bool = False) -> list[Word]:
    """Subject, verb, object, to whom, with whom, how, where, when; ``waited`` marks the verb."""
    verb = _english_verb(clause, waited=waited)
    core = [*clause.subject.source, *verb, *clause.object.source, *clause.goal.source, *clause.whom.source]
    how = [*clause.company.source, *clause.manner.source, *clause.place.source, *clause.time.source]
    return core + how


def _english_verb(clause: Clause, *, waited: bool) -> list[Word]:
    agreement, concept = clause.subject.agreement, (clause.concept,)
    head, *particles = clause.verb.english.split()
    denial = [Word("not", clause.denial)] if clause.denial else []
    past = clause.form == "past"
    before: list[Word] = []
    form = head
    match clause.form:
        case "progressive":
            before, form = [Word(english.be(agreement, past=False), concept)], english.gerund(head)
        case "already" | "never":
            before = [Word(english.present("have", agreement), concept), *clause.frequency.source]
            form = english.participle(head)
        case "future":
            before = [Word("will", concept), *denial]
        case "modal":
            before = _english_modal(clause, denial)
        case _ if denial:
            before = [Word("did" if past else english.present("do", agreement), concept), *denial]
        case _:
            before = clause.frequency.source
            form = english.past(head) if past else english.present(head, agreement)
    return [*before, Word(form, concept, waited), *(Word(text, concept) for text in particles)]


def _english_modal(clause: Clause, denial: list[Word]) -> list[Word]:
    first, *to = clause.modal.source
    if not to:
        if denial and first.text == "can":
            return [Word("cannot", first.concepts + clause.denial)]
        return [first, *denial]
    agreement = clause.subject.agreement
    if denial:
        return [first._replace(text=english.present("do", agreement)), *denial, first, *to]
    return [first._replace(text=english.present(first.text, agreement)), *to]


def in_chinese(clause: Clause, *, waited: bool = False, ended: bool = True, infix: str = "") -> list[Word]:
    """Subject, when, with whom, where, how, for whom, verb, object; ``waited`` marks the verb.

    Without ``ended`` the past has no 了, as before 的. ``infix`` stands between the time and the verb: 就, 一.
    """
    concept = (clause.concept,)
    verb = Word(clause.verb.chinese, concept, waited)
    particle = _particle(clause) if ended else ""
    done = [Word(particle, concept)] if particle else []
    linked = [Word(infix)] if infix else []
    opening = [*clause.subject.target, *clause.time.target, *linked, *_view(clause), *clause.company.target]
    circumstances = [*opening, *clause.place.target, *clause.manner.target, *clause.whom.target]
    if clause.goal.target:
        there, *spot = clause.goal.target
        return [*circumstances, Word("把", concept), *clause.object.target, verb, there, *done, *spot]
    return [*circumstances, verb, *done, *clause.object.target]


def _particle(clause: Clause) -> str:
    """What follows the verb: 过 after 从来没, 了 in a past that is not denied."""
    if clause.form == "never":
        return "过"
    return "了" if clause.form in ("past", "already") and not clause.denial else ""


def _view(clause: Clause) -> list[Word]:
    """What stands before the circumstances: how often, modal verbs, negation, 正在.

    Before a place, which has its own 在, 正在 is only 正.
    """
    concept = (clause.concept,)
    denial = [Word("没" if clause.form == "past" else "不", clause.denial)] if clause.denial else []
    if clause.form == "progressive":
        return [Word("正" if clause.place.target and not clause.company.target else "正在", concept)]
    if clause.form == "future":
        return [*denial, Word("会", concept)]
    return [*clause.frequency.target, *denial, *clause.modal.target]
