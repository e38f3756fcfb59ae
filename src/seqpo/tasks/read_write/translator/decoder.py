"""A conditional GRU: two GRU steps per token, with the attention between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn.functional import linear


class GruStep(NamedTuple):
    """A GRU step and what its gradient needs, each `[B, H]`.

    Attributes:
        state: the new state.
        before: the old one.
        reset: r.
        keep: share of the old state that is kept.
        new: the candidate.
        gated: what r lets into the candidate.
    """

    state: Tensor
    before: Tensor
    reset: Tensor
    keep: Tensor
    new: Tensor
    gated: Tensor

    def backward(self, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Turn the gradient of the new state `[B, H]` into those of the inputs, the recurrent gates and the old state.

        Returns:
            `[B, 3H]`, `[B, 3H]` and `[B, H]`.
        """
        new = grad * (1 - self.keep) * (1 - self.new.square())
        reset = new * self.gated * self.reset * (1 - self.reset)
        keep = grad * (self.before - self.new) * self.keep * (1 - self.keep)
        return torch.cat((reset, keep, new), 1), torch.cat((reset, keep, new * self.reset), 1), grad * self.keep


class DecoderStep(NamedTuple):
    """A step of the decoder.

    Attributes:
        first: before the attention.
        query: `[B, A]` what it attends with.
        attention: `[B, S]` share of each annotation; zero where nothing has been read.
        context: `[B, H]` c_τ.
        second: after the attention; its state is z_τ.
    """

    first: GruStep
    query: Tensor
    attention: Tensor
    context: Tensor
    second: GruStep


class ConditionalGRU(nn.Module):
    """From z_{τ−1}, y_{τ−1} and what has been read to c_τ and z_τ (Gu et al. 2016, 1610.00388, Eq. 2).

    The paper leaves the attention open: here it is the scaled dot product of a projected state with projected
    annotations.

    Args:
        embedding: width E of the words' embeddings.
        hidden: width H of annotations and states.
        attention: inner width A of the attention.
    """

    def __init__(self, embedding: int, hidden: int, attention: int) -> None:
        super().__init__()
        self.attend = nn.Linear(hidden, attention, bias=False)  # a bias would shift all energies alike
        self.word_gates = nn.Linear(embedding, 3 * hidden)
        self.state_gates = nn.Linear(hidden, 3 * hidden)
        self.halfway = nn.Linear(hidden, attention + 3 * hidden)  # the query and the second GRU's gates, in one product
        self.context_gates = nn.Linear(hidden, 3 * hidden)

    def keys(self, annotations: Tensor) -> Tensor:
        """Prepare annotations `[B, S, H]` for being attended to, once for all steps: `[B, S, A]`."""
        keys: Tensor = self.attend(annotations)
        return keys

    def step(self, state: Tensor, word: Tensor, annotations: Tensor, keys: Tensor, unread: Tensor) -> DecoderStep:
        """Take one step.

        Args:
            state: `[B, H]` z_{τ−1}.
            word: `[B, E]` embedding of y_{τ−1}.
            annotations: `[B, S, H]`.
            keys: `[B, S, A]` of the annotations.
            unread: `[B, S]` those without influence.
        """
        return _step(state, self.word_gates(word), annotations, keys, unread, self._weights())

    def forward(
        self, state: Tensor, words: Tensor, annotations: Tensor, keys: Tensor, unread: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Take the steps of whole translations: `step` for each of the words `[B, T, E]`.

        Products are computed in the precision of the keys, states are kept in theirs.

        Returns:
            `[B, T, H]` z_τ and `[B, T, H]` c_τ, differentiable once.
        """
        gates = self.word_gates(words)
        states, contexts = _Scan.apply(state, gates, annotations.to(keys.dtype), keys, unread, *self._weights())  # type: ignore[no-untyped-call]
        return states, contexts

    def _weights(self) -> tuple[Tensor, ...]:
        layers = self.state_gates, self.halfway, self.context_gates
        return tuple(parameter for layer in layers for parameter in (layer.weight, layer.bias))


def _gru(inputs: Tensor, recurrent: Tensor, state: Tensor) -> GruStep:
    """Update a state by a GRU whose gates `[B, 3H]` (reset, keep, candidate) have been projected already.

    The state keeps its precision, whatever the products were computed in.
    """
    reset_in, keep_in, new_in = inputs.chunk(3, dim=-1)
    reset_by, keep_by, gated = recurrent.chunk(3, dim=-1)
    reset, keep = torch.sigmoid(reset_in + reset_by), torch.sigmoid(keep_in + keep_by).to(state.dtype)
    new = torch.tanh(new_in + reset * gated).to(state.dtype)
    return GruStep(torch.lerp(new, state, keep), state, reset, keep, new, gated)


def _step(
    state: Tensor, word_gates: Tensor, annotations: Tensor, keys: Tensor, unread: Tensor, weights: Sequence[Tensor]
) -> DecoderStep:
    """Take a step; the weights have the precision of the keys."""
    state_gates, state_bias, halfway, halfway_bias, context_gates, context_bias = weights
    dtype, width = keys.dtype, keys.shape[-1]
    first = _gru(word_gates, linear(state.to(dtype), state_gates, state_bias), state)
    both = linear(first.state.to(dtype), halfway, halfway_bias)
    query, gates = both[:, :width], both[:, width:]
    energies = torch.bmm(keys, query[..., None]).squeeze(-1) * width**-0.5
    attention = energies.masked_fill(unread, -torch.inf).softmax(dim=-1).to(dtype)
    context = torch.bmm(attention[:, None], annotations).squeeze(1)
    second = _gru(linear(context, context_gates, context_bias), gates, first.state)
    return DecoderStep(first, query, attention, context, second)


class _Scan(Function):
    """All steps of a translation, with a gradient that gathers the weights' products into one for all steps.

    Step by step, autograd would add to the gradients of weights, annotations and keys T times.
    """

    @staticmethod
    def forward(
        ctx: Any,
        state: Tensor,
        word_gates: Tensor,
        annotations: Tensor,
        keys: Tensor,
        unread: Tensor,
        *weights: Tensor,
    ) -> tuple[Tensor, Tensor]:
        used = [weight.to(keys.dtype) for weight in weights]
        steps: list[DecoderStep] = []
        for gates in word_gates.unbind(dim=1):
            steps.append(_step(state, gates, annotations, keys, unread, used))
            state = steps[-1].second.state
        ctx.save_for_backward(annotations, keys, *weights)
        ctx.steps = steps
        return torch.stack([step.second.state for step in steps], 1), torch.stack([step.context for step in steps], 1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_states: Tensor, grad_contexts: Tensor) -> tuple[Tensor | None, ...]:
        annotations, keys, *weights = ctx.saved_tensors
        steps: list[DecoderStep] = ctx.steps
        slopes = _slopes(steps, grad_states, grad_contexts, annotations, keys, weights)

        def layer(slope: Tensor, inputs: list[Tensor], weight: Tensor) -> tuple[Tensor, Tensor]:
            flat = slope.flatten(0, 1)
            product = flat.t() @ torch.stack(inputs, 1).to(slope.dtype).flatten(0, 1)
            return product.to(weight.dtype), flat.sum(dim=0, dtype=weight.dtype)

        attention = torch.stack([step.attention for step in steps], dim=2)
        queries = torch.stack([step.query for step in steps], dim=1)
        return (
            slopes.start,
            slopes.words,
            torch.bmm(attention, slopes.contexts),
            torch.bmm(slopes.energies.transpose(1, 2), queries),
            None,
            *layer(slopes.states, [step.first.before for step in steps], weights[0]),
            *layer(slopes.halfway, [step.first.state for step in steps], weights[2]),
            *layer(slopes.gates, [step.context for step in steps], weights[4]),
        )


class _Slopes(NamedTuple):
    """Gradients of what the steps computed, `[B, T, …]` but for the first.

    Attributes:
        start: `[B, H]` z_0.
        words: the gates that words give to the first GRU.
        states: those that the old state gives to it.
        halfway: the query, and the gates that the first GRU's state gives to the second.
        energies: what the attention is the softmax of.
        contexts: c_τ.
        gates: what it gives to the second GRU.
    """

    start: Tensor
    words: Tensor
    states: Tensor
    halfway: Tensor
    energies: Tensor
    contexts: Tensor
    gates: Tensor


def _slopes(
    steps: Sequence[DecoderStep],
    grad_states: Tensor,
    grad_contexts: Tensor,
    annotations: Tensor,
    keys: Tensor,
    weights: Sequence[Tensor],
) -> _Slopes:
    """Go back through the steps."""
    dtype, scale = keys.dtype, keys.shape[-1] ** -0.5
    state_gates, halfway, context_gates = (weight.to(dtype) for weight in weights[::2])
    carried, taken = torch.zeros_like(steps[0].first.before), []
    later = zip(reversed(steps), reversed(grad_states.unbind(1)), reversed(grad_contexts.unbind(1)), strict=True)
    for (first, _, attention, _, second), grad_state, grad_context in later:
        gates, recurrent, carried = second.backward(carried + grad_state)
        gates = gates.to(dtype)
        context = grad_context + gates @ context_gates
        share = torch.bmm(annotations, context[..., None]).squeeze(-1)
        energies = attention * (share - (attention * share).sum(-1, keepdim=True)) * scale
        query = torch.bmm(energies[:, None], keys).squeeze(1)
        both = torch.cat((query, recurrent.to(dtype)), dim=1)
        words, states, carried = first.backward(carried + both @ halfway)
        states = states.to(dtype)
        carried = carried + states @ state_gates
        taken.append((words.to(dtype), states, both, energies, context, gates))
    return _Slopes(carried, *(torch.stack(some[::-1], 1) for some in zip(*taken, strict=True)))
