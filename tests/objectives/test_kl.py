"""The KL penalty: values by hand, gradients, and what it estimates."""

from __future__ import annotations

import math

import pytest
import torch

from seqpo.objectives import KL_FORMS, kl_penalty


def _both(form: str, logprob: float, reference: float) -> tuple[float, float]:
    current = torch.tensor([logprob], dtype=torch.float64, requires_grad=True)
    penalty = kl_penalty(current, torch.tensor([reference], dtype=torch.float64), form)  # type: ignore[arg-type]
    (slope,) = torch.autograd.grad(penalty.sum(), current)
    return penalty.item(), slope.item()


def test_values_and_gradients_by_hand():
    # δ = log π_ref − log π = ln 2: k2 = δ²/2 with slope −δ; k3 = 2 − ln 2 − 1 with slope 1 − 2
    ln2 = math.log(2)
    assert _both("k2", -1.0, -1.0 + ln2) == pytest.approx((ln2**2 / 2, -ln2))
    assert _both("k3", -1.0, -1.0 + ln2) == pytest.approx((1 - ln2, -1.0))
    assert _both("k3+", -1.0, -1.0 + ln2) == pytest.approx((1 - ln2, -ln2))


def test_the_mean_gradient_of_k2_and_the_mean_value_of_k3_are_the_kl_itself():
    torch.manual_seed(0)
    logits = torch.randn(5, dtype=torch.float64, requires_grad=True)
    reference = torch.log_softmax(torch.randn(5, dtype=torch.float64), 0)
    logprobs = torch.log_softmax(logits, 0)
    kl = (logprobs.exp() * (logprobs - reference)).sum()
    (exact,) = torch.autograd.grad(kl, logits, retain_graph=True)
    penalty = kl_penalty(logprobs, reference)
    chance = logprobs.exp().detach()
    assert (chance * penalty).sum().item() == pytest.approx(kl.item())
    (estimated,) = torch.autograd.grad((chance * penalty).sum(), logits)
    torch.testing.assert_close(estimated, exact)


@pytest.mark.parametrize("form", KL_FORMS)
def test_positive_zero_on_the_reference_and_finite_far_away(form: str):
    assert _both(form, -1.0, -1.0) == (0.0, 0.0)
    for far in (-1e4, -5.0, -0.1):
        value, slope = _both(form, far, -1.0)
        assert value > 0
        assert math.isfinite(value + slope)


def test_an_unknown_form_raises():
    with pytest.raises(ValueError, match="unknown KL form 'k1': choose one of k2, k3"):
        kl_penalty(torch.zeros(1), torch.zeros(1), "k1")  # type: ignore[arg-type]
