"""Entropy: exact from logits, and estimated from the sampled tokens."""

from __future__ import annotations

import math

import torch
from hypothesis import given
from hypothesis import strategies as st

from seqpo.objectives import exact_entropy, sampled_entropy

logits_of = st.lists(st.floats(-5, 5), min_size=2, max_size=6)


def test_by_hand():
    # even odds among four: ln 4; ¾ and ¼: ¾ ln 4/3 + ¼ ln 4
    assert exact_entropy(torch.zeros(4)).item() == torch.tensor(math.log(4)).item()
    odds = torch.tensor([[math.log(3), 0.0], [0.0, 0.0]], dtype=torch.float64)
    expected = [0.75 * math.log(4 / 3) + 0.25 * math.log(4), math.log(2)]
    torch.testing.assert_close(exact_entropy(odds), torch.tensor(expected, dtype=torch.float64))


def test_an_action_that_cannot_be_taken_adds_nothing():
    logits = torch.tensor([0.0, 1.0, -math.inf], requires_grad=True)
    allowed = torch.tensor([0.0, 1.0], requires_grad=True)
    (slope,) = torch.autograd.grad(exact_entropy(logits), logits)
    (expected,) = torch.autograd.grad(exact_entropy(allowed), allowed)
    torch.testing.assert_close(exact_entropy(logits), exact_entropy(allowed))
    torch.testing.assert_close(slope, torch.tensor([*expected, 0.0]))


@given(numbers=logits_of, shift=st.floats(-100, 100))
def test_between_certainty_and_even_odds_whatever_the_offset(numbers: list[float], shift: float):
    logits = torch.tensor(numbers, dtype=torch.float64)
    entropy = exact_entropy(logits)
    assert 0 <= entropy <= math.log(len(numbers)) + 1e-12
    torch.testing.assert_close(exact_entropy(logits + shift), entropy, rtol=1e-9, atol=1e-12)


@given(numbers=logits_of)
def test_the_estimate_has_the_mean_and_the_mean_gradient_of_the_entropy(numbers: list[float]):
    logits = torch.tensor(numbers, dtype=torch.float64, requires_grad=True)
    logprobs = torch.log_softmax(logits, 0)
    mean = (logprobs.exp().detach() * sampled_entropy(logprobs)).sum()
    entropy = exact_entropy(logits)
    torch.testing.assert_close(mean, entropy)
    (estimated,) = torch.autograd.grad(mean, logits)
    (exact,) = torch.autograd.grad(entropy, logits)
    torch.testing.assert_close(estimated, exact, rtol=1e-9, atol=1e-12)


def test_the_estimate_by_hand():
    # value −log π; slope −log π: a likely token is pushed less than an unlikely one
    logprobs = torch.tensor([-0.5, -2.0], dtype=torch.float64, requires_grad=True)
    estimate = sampled_entropy(logprobs)
    (slope,) = torch.autograd.grad(estimate.sum(), logprobs)
    assert estimate.tolist() == [0.5, 2.0]
    assert slope.tolist() == [0.5, 2.0]
