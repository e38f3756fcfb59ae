"""The streaming engine: batched, ragged, cached sessions on Transformers models."""

from seqpo.catalogs import Catalog
from seqpo.sessions.engine import Engine, Session
from seqpo.sessions.play import play
from seqpo.sessions.protocol import Answer, MakesEngine, OpenSession, SessionEngine

ENGINES: Catalog[MakesEngine] = Catalog("engine", "seqpo.sessions.MakesEngine")
"""Engines by name; `module:name` is a function that returns what makes one, as the function here does."""


@ENGINES.published("ragged", "", "")
def ragged() -> MakesEngine:
    """One cache per stream, every stream at its own place in each pass."""
    return Engine


__all__ = ["ENGINES", "Answer", "Engine", "MakesEngine", "OpenSession", "Session", "SessionEngine", "play", "ragged"]
