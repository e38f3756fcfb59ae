"""Choosing tokens: the right frequencies, the edges, and the log-probs of the choice."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seqpo.sampling import Uniforms, choose


def test_inverse_cdf_by_hand():
    # chances ¼, 0, ½, ¼: cumulative ¼, ¼, ¾, 1
    logits = torch.tensor([0.25, 0.0, 0.5, 0.25]).log().expand(7, -1)
    uniforms = torch.tensor([0.0, 0.2, 0.25, 0.5, 0.7499, 0.75, 0.9999], dtype=torch.float64)
    tokens, logprobs = choose(logits, uniforms)
    assert tokens.tolist() == [0, 0, 2, 2, 2, 3, 3]
    assert logprobs.exp().tolist() == pytest.approx([0.25, 0.25, 0.5, 0.5, 0.5, 0.25, 0.25])


def test_frequencies_are_the_chances():
    chances = torch.tensor([0.05, 0.2, 0.0, 0.3, 0.45])
    count = 20_000
    draws = Uniforms(seed=3, stream=0)
    uniforms = torch.tensor([draws.next() for _ in range(count)], dtype=torch.float64)
    tokens, _ = choose(chances.log().expand(count, -1), uniforms)
    seen = torch.bincount(tokens, minlength=5)
    assert seen[2] == 0
    likely = chances > 0
    chi_square = ((seen - chances * count).square()[likely] / (chances * count)[likely]).sum()
    assert chi_square < 16.3  # the 99.9th percentile with three degrees of freedom


nearly_one = st.sampled_from([1 - 2**-53, 1 - 2**-40, 1 - 2**-25, 1 - 2**-24])


@settings(max_examples=200, deadline=None)
@given(
    logits=st.lists(st.floats(-30, 30) | st.just(-math.inf), min_size=1, max_size=40).filter(
        lambda row: max(row) > -math.inf
    ),
    uniform=st.floats(0, 1, exclude_max=True) | nearly_one,
    dtype=st.sampled_from([torch.float32, torch.float64, torch.bfloat16]),
)
def test_what_cannot_be_chosen_is_not(logits: list[float], uniform: float, dtype: torch.dtype):
    tokens, logprobs = choose(torch.tensor([logits], dtype=dtype), torch.tensor([uniform], dtype=torch.float64))
    assert logits[int(tokens)] > -math.inf
    assert logprobs.item() > -math.inf
    greedy, _ = choose(torch.tensor([logits], dtype=dtype), None)
    assert logits[int(greedy)] > -math.inf


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_largest_uniform_number_chooses_the_last_token_that_has_a_chance(dtype: torch.dtype):
    logits = torch.tensor([[0.1, 0.7, 0.2, 0.0, 0.0]], dtype=dtype).log()
    tokens, _ = choose(logits, torch.tensor([1 - 2**-53], dtype=torch.float64))
    assert tokens.tolist() == [2]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 10**6), share=st.sampled_from([0.01, 0.1, 0.5]), size=st.integers(100, 700))
def test_large_vocabularies_with_holes(dtype: torch.dtype, seed: int, share: float, size: int):
    generator = torch.Generator().manual_seed(seed)
    chances = torch.rand(size, generator=generator, dtype=torch.float64)
    chances *= torch.rand(size, generator=generator) < share
    chances[int(torch.randint(size, (), generator=generator))] += 1
    cumulative = (chances / chances.sum()).cumsum(0)
    # right at the edges of what has a chance, and in between
    uniforms = torch.cat([cumulative, torch.rand(50, generator=generator, dtype=torch.float64)]).clamp(max=1 - 2**-53)
    tokens, logprobs = choose(chances.log().to(dtype).expand(len(uniforms), -1), uniforms)
    assert (chances[tokens] > 0).all()
    torch.testing.assert_close(logprobs.double(), (chances / chances.sum()).log()[tokens], rtol=1e-4, atol=1e-4)
    # the chosen entry covers its uniform number, up to rounding
    assert (uniforms <= cumulative[tokens] + 1e-5).all()
    assert (uniforms >= cumulative[tokens] - (chances / chances.sum())[tokens] - 1e-5).all()


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_log_probs_are_those_of_the_tempered_distribution(temperature: float):
    logits = torch.randn(6, 9, generator=torch.Generator().manual_seed(0))
    uniforms = torch.rand(6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    tokens, logprobs = choose(logits, uniforms, temperature)
    tempered = torch.log_softmax(logits / temperature, dim=1)
    torch.testing.assert_close(logprobs, tempered.gather(1, tokens[:, None]).squeeze(1))
    cumulative = tempered.double().exp().cumsum(1)
    assert tokens.tolist() == (cumulative <= uniforms[:, None]).sum(1).tolist()
    greedy, of_greedy = choose(logits, None, temperature)
    assert greedy.tolist() == logits.argmax(1).tolist()
    torch.testing.assert_close(of_greedy, tempered.amax(1))


def test_log_probs_of_bfloat16_logits_are_float32():
    _, logprobs = choose(torch.zeros(1, 4, dtype=torch.bfloat16), None)
    assert logprobs.dtype == torch.float32
    assert logprobs.item() == pytest.approx(-math.log(4))


def test_a_stream_has_its_own_numbers():
    draws = {(seed, stream): Uniforms(seed, stream) for seed in (0, 1) for stream in (0, 1, 2)}
    numbers = {key: tuple(stream.next() for _ in range(100)) for key, stream in draws.items()}
    assert len(set(numbers.values())) == 6
    again = Uniforms(1, 2)
    assert tuple(again.next() for _ in range(100)) == numbers[1, 2]
    assert all(0 <= u < 1 for row in numbers.values() for u in row)


def test_any_integer_is_a_seed():
    assert Uniforms(-1, 2**70).next() == Uniforms(-1, 2**70).next()
