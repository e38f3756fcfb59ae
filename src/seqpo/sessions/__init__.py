"""The streaming engine: batched, ragged, cached sessions on Transformers models."""

from seqpo.sessions.engine import Engine, Session
from seqpo.sessions.play import play

__all__ = ["Engine", "Session", "play"]
