"""A translator that can be asked for its next word after any part of the source (Gu et al. 2016, 1610.00388, §3.1).

A left-to-right encoder, so that what has been read doesn't change when more is read, and a decoder that attends to
the annotations read so far. Both languages share one vocabulary and one embedding.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.functional import linear

from seqpo.policies.logprobs import chosen_logprobs
from seqpo.tasks.read_write.translator.decoder import ConditionalGRU


@dataclass(frozen=True)
class TranslatorConfig:
    """The shape of a recurrent translator.

    Attributes:
        embedding: width of the embeddings, which the output layer shares.
        hidden: width of the annotations and of the decoder's state.
        attention: inner width of the attention.
        dropout: of embeddings and of the output layer's input, in training.
    """

    embedding: int = 256
    hidden: int = 512
    attention: int = 512
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if min(self.embedding, self.hidden, self.attention) < 1:
            raise ValueError("embedding, hidden and attention must be positive")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be in [0, 1), got {self.dropout}")


@dataclass(frozen=True)
class Proposal:
    """The next word as the translator would have it: what Gu et al.'s agent observes.

    Attributes:
        logits: `[B, V]` of the next token y_τ.
        state: `[B, H]` decoder state z_τ, should the token be written.
        context: `[B, H]` c_τ, what was attended to.
        attention: `[B, S]` share of each annotation in it; zero where nothing has been read.
    """

    logits: Tensor
    state: Tensor
    context: Tensor
    attention: Tensor

    @cached_property
    def candidate(self) -> Tensor:
        """`[B]` the likeliest token y_τ (Eq. 3)."""
        return self.logits.max(dim=-1).indices  # which takes a third of the time of argmax on a CPU


class RecurrentTranslator(nn.Module):
    """A GRU encoder and a conditional GRU decoder: two GRU steps per token, with the attention between them.

    Args:
        config: its shape.
        vocabulary: number of tokens.
        start: token that precedes every translation.
        stop: token that ends it.
    """

    def __init__(self, config: TranslatorConfig, vocabulary: int, *, start: int, stop: int) -> None:
        super().__init__()
        embedding, hidden, attention = config.embedding, config.hidden, config.attention
        self.config, self.vocabulary, self.start, self.stop = config, vocabulary, start, stop
        self.embed = nn.Embedding(vocabulary, embedding)
        self.encoder = nn.GRU(embedding, hidden, batch_first=True)
        self.bridge = nn.Linear(hidden, hidden)
        self.decoder = ConditionalGRU(embedding, hidden, attention)
        self.readout = nn.Linear(2 * hidden + embedding, embedding)
        self.bias = nn.Parameter(torch.empty(vocabulary))
        self._initialise()

    def _initialise(self) -> None:
        """Draw the weights: with torch's own, the attention takes twice as many steps to be found."""
        for weight in self.parameters():
            if weight.ndim > 1:
                nn.init.xavier_uniform_(weight)
            else:
                nn.init.zeros_(weight)
        nn.init.normal_(self.embed.weight, std=self.config.embedding**-0.5)

    def encode(self, source: Tensor, after: Tensor | None = None) -> Tensor:
        """Annotate source tokens (Eq. 1); h_η depends on the first η tokens only, so padding on the right is harmless.

        Args:
            source: `[B, S]` ids.
            after: `[B, H]` the last annotations of what was read before, where a stream goes on.

        Returns:
            `[B, S, H]` annotations.
        """
        annotations: Tensor = self.encoder(self._embedded(source), None if after is None else after[None])[0]
        return annotations

    def keys(self, annotations: Tensor) -> Tensor:
        """Prepare annotations `[B, S, H]` for being attended to, once for all steps: `[B, S, attention]`."""
        return self.decoder.keys(annotations)

    def initial(self, annotations: Tensor, read: Tensor) -> Tensor:
        """Return the decoder state before the first word, from the mean of what has been read.

        Args:
            annotations: `[B, S, H]`.
            read: `[B]` how many annotations of each row have been read, at least one.

        Returns:
            `[B, H]` z_0.
        """
        source_states = annotations.masked_fill(~_read_mask(annotations, read)[..., None], 0.0)
        return torch.tanh(self.bridge(source_states.sum(dim=1) / read[:, None])).to(annotations.dtype)

    def propose(
        self, state: Tensor, previous: Tensor, annotations: Tensor, read: Tensor, keys: Tensor | None = None
    ) -> Proposal:
        """Propose the next token from what has been read (Eq. 2).

        Args:
            state: `[B, H]` z_{τ−1}.
            previous: `[B]` y_{τ−1}; the start token before the first word.
            annotations: `[B, S, H]`; those not read yet have no influence.
            read: `[B]` how many annotations of each row have been read, at least one.
            keys: of the annotations, where they are at hand.
        """
        words = self._embedded(previous)
        keys = self.keys(annotations) if keys is None else keys
        step = self.decoder.step(state, words, annotations, keys, ~_read_mask(annotations, read))
        state = step.second.state
        logits = linear(self._read_out(state, step.context, words), self.embed.weight, self.bias)
        return Proposal(logits, state, step.context, step.attention)

    def forward(self, source: Tensor, read: Tensor, target: Tensor, lengths: Tensor) -> Tensor:
        """Score translations of what has been read.

        Args:
            source: `[B, S]` ids, padded on the right.
            read: `[B]` their numbers.
            target: `[B, T]` ids, padded on the right.
            lengths: `[B]` their numbers.

        Returns:
            `[N]` log-probs of the target tokens, row after row, without the padding.
        """
        annotations = self.encode(source)
        words = self._embedded(functional.pad(target[:, :-1], (1, 0), value=self.start))
        states, contexts = self.decoder(
            self.initial(annotations, read),
            words,
            annotations,
            self.keys(annotations),
            ~_read_mask(annotations, read),
        )
        scored = torch.arange(target.shape[1], device=target.device) < lengths[:, None]
        written = self._read_out(states[scored], contexts[scored], words[scored])
        return chosen_logprobs(written, self.embed.weight, self.bias, target[scored])

    def _embedded(self, tokens: Tensor) -> Tensor:
        return functional.dropout(self.embed(tokens), self.config.dropout, self.training)

    def _read_out(self, state: Tensor, context: Tensor, words: Tensor) -> Tensor:
        out = torch.tanh(self.readout(torch.cat((state, context, words), dim=-1)))
        return functional.dropout(out, self.config.dropout, self.training)


def _read_mask(annotations: Tensor, read: Tensor) -> Tensor:
    """`[B, S]` which annotations have been read."""
    return torch.arange(annotations.shape[1], device=annotations.device) < read[:, None]
