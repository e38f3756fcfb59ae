"""Play scripts through an engine: every stream at its own place, a slot that ends refilled at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from seqpo.sessions.engine import Answer, Engine, Session
from seqpo.types import Observation, TokenEnv


def play(
    engine: Engine,
    scripts: Sequence[TokenEnv],
    *,
    limit: int,
    seed: int | None = None,
    first_stream: int = 0,
    progress: Callable[[int], None] | None = None,
) -> list[list[tuple[Observation, Answer]]]:
    """Let the policy answer every observation of every script.

    Args:
        engine: runs the sessions; its slots bound how many are under way.
        scripts: what each stream is shown, turn by turn.
        limit: most tokens of a turn.
        seed: sample with this seed, stream i of it for script i; None is greedy.
        first_stream: number of the stream of the first script.
        progress: called with the number of finished scripts whenever it grows.

    Returns:
        For each script its turns: what was observed, and the answer.
    """
    played: list[list[tuple[Observation, Answer]]] = [[] for _ in scripts]
    running: dict[int, Session] = {}
    waiting, finished = iter(range(len(scripts))), 0

    def finish() -> None:
        nonlocal finished
        finished += 1
        if progress:
            progress(finished)

    def advance(index: int, session: Session) -> bool:
        """Show the script's next observations until the session has something to write; False when over."""
        turns = played[index]
        while not session.writing:
            if turns:
                turns[-1] = (turns[-1][0], session.answer())
            observation = scripts[index].observe([answer.tokens for _, answer in turns])
            if observation is None:
                session.close()
                return False
            if observation.reset_context:
                session.rewind()
            session.read(observation.tokens)
            session.write(limit, observation.quota)
            turns.append((observation, Answer((), ())))
        return True

    while True:
        while engine.free and (index := next(waiting, None)) is not None:
            session = engine.open(seed=seed, stream=first_stream + index)
            if advance(index, session):
                running[index] = session
            else:
                finish()
        if not running:
            return played
        engine.step()
        for index in [i for i, session in running.items() if not session.writing]:
            if not advance(index, running[index]):
                del running[index]
                finish()
