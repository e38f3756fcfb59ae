"""Sessions: live streams of one causal language model, that share every forward pass.

    engine = Engine(model, stop=tokenizer.eos_token_id, slots=64)
    session = engine.open()
    session.read(chunk)                  # tokens in
    session.write(limit=32)
    while session.writing:
        engine.step()                    # one forward pass for whoever has something to do
    answer = session.answer()            # tokens out, with their log-probs

A step feeds, for each session that is writing, all that it has not encoded yet: a chunk it just read, or the
token it just chose. So one stream reads its next chunk in the very pass in which another writes its third
word, and nothing is ever encoded twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import nan

import torch
from torch import Tensor
from transformers import PreTrainedModel

from seqpo.sampling import Uniforms, choose
from seqpo.sessions.forward import RaggedModel
from seqpo.sessions.protocol import Ability, Answer


@dataclass(eq=False)
class Session:
    """One live stream. Made by `Engine.open`, and usable until closed or until the engine's weights change."""

    engine: Engine
    slot: int
    version: int
    uniforms: Uniforms | None
    length: int = 0
    writing: bool = False
    _pending: list[int] = field(default_factory=list)
    _tokens: list[int] = field(default_factory=list)
    _logprobs: list[float] = field(default_factory=list)
    _limit: int = 0
    _quota: int | None = None
    _units: int = 0

    def read(self, tokens: Sequence[int]) -> None:
        """Append tokens to what the stream has been given; they are encoded by the next step of a `write`."""
        self.engine.check(self)
        if self.writing:
            raise RuntimeError("this session is still writing: step the engine until it has finished")
        self._pending.extend(tokens)

    def write(self, limit: int, quota: int | None = None) -> None:
        """Let the policy write its next turn: until it chooses the stop token, or `limit` tokens are written.

        Args:
            limit: most tokens of this turn.
            quota: write exactly this many units (as the engine's `unit_starts` counts them) instead, whatever
                the policy thinks of stopping: how a fixed schedule borrows the model as its translator.
        """
        self.engine.check(self)
        if limit < 1:
            raise ValueError(f"a turn needs room for one token at least, got a limit of {limit}")
        if not self._pending:
            raise RuntimeError("nothing was read before this turn: there is nothing to answer")
        if quota is not None and self.engine.unit_starts is None:
            limit = min(limit, quota)  # each token is a unit, so nothing can follow the last one of the quota
        self._tokens, self._logprobs, self._limit, self._quota, self._units = [], [], limit, quota, 0
        self.writing = quota != 0

    def answer(self) -> Answer:
        """Return what was written in the last turn, so far."""
        return Answer(tuple(self._tokens), tuple(self._logprobs))

    def rewind(self) -> None:
        """Forget all that was read and written; the slot is kept."""
        self.length, self._pending, self.writing = 0, [], False

    def close(self) -> None:
        """End the stream and free its slot."""
        self.engine.release(self)

    @property
    def _owes(self) -> bool:
        """Whether units of a quota are still to be begun; once they are, the model may end the last one by stopping."""
        return self._quota is not None and self._units < self._quota

    def _accept(self, token: int, logprob: float, starts: int) -> None:
        """Take the token that was chosen at the end of a step, and decide whether the turn goes on."""
        if self._quota is not None and self._units + starts > self._quota:
            self.writing = False  # the quota is written, and this token would begin the next unit
            return
        self._units += starts
        self._tokens.append(token)
        self._logprobs.append(logprob)
        self._pending.append(token)
        self.writing = token != self.engine.stop and len(self._tokens) < self._limit


class Engine:
    """Batched sessions on a Transformers causal language model.

    Args:
        model: the policy. The engine works on a copy of its weights, so that training may go on beside it.
        stop: id of the token that ends a turn.
        slots: most sessions at a time.
        temperature: of sampling; the recorded log-probs are those of the tempered distribution.
        dtype: of the engine's weights and cache; the model's own when None.
        longest_read: most tokens that one stream brings to one forward pass; longer reads take several.
        unit_starts: `[vocabulary]` number of units (words, say) that begin with each token, for quotas.

    Raises:
        ValueError: a model whose attention cannot be replaced, or no slots.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        *,
        stop: int,
        slots: int = 64,
        temperature: float = 1.0,
        dtype: torch.dtype | None = None,
        longest_read: int = 64,
        unit_starts: Tensor | None = None,
    ) -> None:
        if slots < 1:
            raise ValueError(f"an engine needs a slot at least, got {slots}")
        self.stop = stop
        self.slots = slots
        self.temperature = temperature
        self.longest_read = longest_read
        self.version = 0
        self.passes = 0
        self.unit_starts = None if unit_starts is None else unit_starts.tolist()
        self._model = RaggedModel(model, slots, dtype)
        self._open: list[Session] = []  # the session in slot i is the i-th

    @property
    def can(self) -> frozenset[Ability]:
        """Quotas, and forks."""
        return frozenset({"quota", "fork"})

    @property
    def free(self) -> int:
        """Number of sessions that can be opened now."""
        return self.slots - len(self._open)

    def open(self, *, seed: int | None = None, stream: int = 0) -> Session:
        """Open a session. With a `seed` it samples, by the numbers of that `stream`; without one it is greedy.

        Raises:
            RuntimeError: all slots are taken.
        """
        if not self.free:
            raise RuntimeError(f"all {self.slots} slots are taken: close a session first, or ask for more slots")
        uniforms = None if seed is None else Uniforms(seed, stream)
        session = Session(self, len(self._open), self.version, uniforms)
        self._open.append(session)
        return session

    def fork(self, session: Session, *, seed: int | None = None, stream: int = 0) -> Session:
        """Open a session that starts where another one is: what that one has encoded is copied, not computed."""
        self.check(session)
        if session.writing:
            raise RuntimeError("this session is still writing: fork it before or after its turn")
        twin = self.open(seed=seed, stream=stream)
        self._model.cache.copy(session.slot, twin.slot, session.length)
        twin.length, twin._pending = session.length, list(session._pending)
        return twin

    def check(self, session: Session) -> None:
        """Raise unless the session is open and belongs to the present weights."""
        if session.version != self.version:
            raise RuntimeError(
                f"this session belongs to policy version {session.version}, the engine is at {self.version}"
            )
        if session.slot >= len(self._open) or self._open[session.slot] is not session:
            raise RuntimeError("this session is closed")

    def release(self, session: Session) -> None:
        """Close a session; the last one in use moves into its slot, so that slots in use stay together."""
        self.check(session)
        last = self._open.pop()
        if last is not session:
            self._model.cache.copy(last.slot, session.slot, last.length)
            last.slot = session.slot
            self._open[last.slot] = last
        session.slot, session.writing = self.slots, False

    def update_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Take new weights. All sessions end: they were encoded, and began to choose, under the old ones."""
        self._model.load(weights)
        self.version += 1
        self._open.clear()

    def step(self) -> bool:
        """Run one forward pass for all sessions that are writing; return whether there was any.

        Raises:
            RuntimeError: a stream has grown past the longest position that the model knows.
        """
        fed = [session._pending[: self.longest_read] if session.writing else [] for session in self._open]
        if not any(fed):
            return False
        used = max(i for i, tokens in enumerate(fed) if tokens) + 1
        lengths = [session.length for session in self._open]
        counts = [len(tokens) for tokens in fed[:used]]
        plan = self._model.plan(lengths[:used], counts, kept=max(lengths))
        hidden = self._model.encode([token for tokens in fed for token in tokens], plan)
        self.passes += 1
        choosing, last, end = [], [], 0
        for session, count in zip(self._open, counts, strict=False):
            end += count
            del session._pending[:count]
            session.length += count
            if count and not session._pending:
                choosing.append(session)
                last.append(end - 1)
        if choosing:
            self._choose(choosing, self._model.logits(hidden, last))
        return True

    def _choose(self, sessions: list[Session], logits: Tensor) -> None:
        if owing := [row for row, session in enumerate(sessions) if session._owes]:
            logits[owing, self.stop] = float("-inf")
        uniforms = None
        if any(session.uniforms for session in sessions):
            drawn = [session.uniforms.next() if session.uniforms else nan for session in sessions]
            uniforms = torch.tensor(drawn, device=logits.device, dtype=torch.float64)
        tokens, logprobs = choose(logits, uniforms, self.temperature)
        for session, token, logprob in zip(sessions, tokens.tolist(), logprobs.tolist(), strict=True):
            session._accept(token, logprob, self.unit_starts[token] if self.unit_starts is not None else 1)
