"""The KL penalty: values by hand, gradients, and what it estimates."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from seqpo.objectives import KL_FORMS, kl_penalty
from seqpo.objectives.kl import KLForm


def _both(form: KLForm, logprob: float, reference: float) -> tuple[float, float]:
    current = torch.tensor([logprob], dtype=torch.float64, requires_grad=True)
    penalty = kl_penalty(current, torch.tensor([reference], dtype=torch.float64), form)
    (slope,) = torch.autograd.grad(penalty.sum(), current)
    return penalty.item(), slope.item()


def test_values_and_gradients_by_hand():
    # δ = log π_ref − log π = ln 2: k1 = −δ with slope 1; k2 = δ²/2 with slope −δ; k3 = 2 − ln 2 − 1 with slope 1 − 2
    ln2 = math.log(2)
    assert _both("k1", -1.0, -1.0 + ln2) == pytest.approx((-ln2, 1.0))
    assert _both("k2", -1.0, -1.0 + ln2) == pytest.approx((ln2**2 / 2, -ln2))
    assert _both("k3", -1.0, -1.0 + ln2) == pytest.approx((1 - ln2, -1.0))
    assert _both("k3+", -1.0, -1.0 + ln2) == pytest.approx((1 - ln2, -ln2))


def _means(form: KLForm) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Over a small distribution: KL(π ‖ π_ref), the estimate's mean, and the gradients of both."""
    torch.manual_seed(0)
    logits = torch.randn(5, dtype=torch.float64, requires_grad=True)
    reference = torch.log_softmax(torch.randn(5, dtype=torch.float64), 0)
    logprobs = torch.log_softmax(logits, 0)
    kl = (logprobs.exp() * (logprobs - reference)).sum()
    estimate = (logprobs.exp().detach() * kl_penalty(logprobs, reference, form)).sum()
    (exact,) = torch.autograd.grad(kl, logits, retain_graph=True)
    (estimated,) = torch.autograd.grad(estimate, logits)
    return kl.detach(), estimate.detach(), exact, estimated


@pytest.mark.parametrize("form", ["k1", "k3", "k3+"])
def test_the_mean_value_is_the_kl(form: KLForm):
    kl, estimate, _, _ = _means(form)
    torch.testing.assert_close(estimate, kl)


@pytest.mark.parametrize("form", ["k2", "k3+"])
def test_the_mean_gradient_is_that_of_the_kl(form: KLForm):
    _, _, exact, estimated = _means(form)
    torch.testing.assert_close(estimated, exact)


def test_the_mean_gradient_of_k1_is_zero_and_that_of_k3_is_another_kl():
    torch.testing.assert_close(_means("k1")[3], torch.zeros(5, dtype=torch.float64))
    torch.manual_seed(0)
    logits = torch.randn(5, dtype=torch.float64, requires_grad=True)
    reference = torch.log_softmax(torch.randn(5, dtype=torch.float64), 0)
    (other_way,) = torch.autograd.grad(-(reference.exp() * torch.log_softmax(logits, 0)).sum(), logits)
    torch.testing.assert_close(_means("k3")[3], other_way)


@pytest.mark.parametrize("form", KL_FORMS)
def test_zero_on_the_reference_and_finite_far_away(form: KLForm):
    assert _both(form, -1.0, -1.0)[0] == 0.0
    for far in (-1e4, -5.0, -0.1, 1e4):
        value, slope = _both(form, far, -1.0)
        assert value != 0
        assert math.isfinite(value + slope)


@pytest.mark.parametrize("form", ["k2", "k3", "k3+"])
def test_what_belongs_in_a_loss_is_positive_and_pulls_to_the_reference(form: KLForm):
    assert _both(form, -1.0, -1.0)[1] == 0.0
    for logprob in (-5.0, -0.1):
        value, slope = _both(form, logprob, -1.0)
        assert value > 0
        assert slope * (logprob + 1.0) > 0


def test_an_unknown_form_raises():
    with pytest.raises(ValueError, match="unknown KL form 'k4': choose one of k1, k2, k3, k3\\+"):
        kl_penalty(torch.zeros(1), torch.zeros(1), "k4")  # type: ignore[arg-type]
