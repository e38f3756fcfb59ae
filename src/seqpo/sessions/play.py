"""Play environments of tokens through an engine: every stream at its own place, a slot that ends refilled at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count

from seqpo.sessions.protocol import Answer, OpenSession, SessionEngine
from seqpo.types import Observation, TokenEnv


def play(
    engine: SessionEngine,
    envs: Sequence[TokenEnv],
    *,
    limit: int,
    seed: int | None = None,
    first_stream: int = 0,
    progress: Callable[[int], None] | None = None,
) -> list[list[tuple[Observation, Answer]]]:
    """Let the policy answer every observation of every stream.

    Args:
        engine: runs the sessions; its slots bound how many are under way.
        envs: what each stream is shown, turn by turn.
        limit: most tokens of a turn.
        seed: sample with this seed, stream i of it for env i; None is greedy.
        first_stream: number of the stream of the first env.
        progress: called with the number of finished envs whenever it grows.

    Returns:
        For each env its turns: what was observed, and the answer.
    """
    played: list[list[tuple[Observation, Answer]]] = [[] for _ in envs]
    running: dict[int, OpenSession] = {}
    waiting, finished = iter(range(len(envs))), count(1)
    tell = progress or (lambda _: None)
    while True:
        while engine.free and (index := next(waiting, None)) is not None:
            session = engine.open(seed=seed, stream=first_stream + index)
            if _advance(engine, envs[index], session, played[index], limit):
                running[index] = session
            else:
                tell(next(finished))
        if not running:
            return played
        engine.step()
        for index in [i for i, session in running.items() if not session.writing]:
            if not _advance(engine, envs[index], running[index], played[index], limit):
                del running[index]
                tell(next(finished))


def _advance(
    engine: SessionEngine, env: TokenEnv, session: OpenSession, turns: list[tuple[Observation, Answer]], limit: int
) -> bool:
    """Show the next observations until the session has something to write; False when over."""
    while not session.writing:
        if turns:
            turns[-1] = (turns[-1][0], session.answer())
        observation = env.observe([answer.tokens for _, answer in turns])
        if observation is None:
            session.close()
            return False
        if observation.reset_context:
            session.rewind()
        if observation.quota is not None and "quota" not in engine.can:
            raise ValueError(f"{type(engine).__name__} can't follow the quotas of a fixed schedule")
        session.read(observation.tokens)
        session.write(limit, observation.quota)
        turns.append((observation, Answer((), ())))
    return True
