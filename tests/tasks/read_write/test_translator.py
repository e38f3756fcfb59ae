"""The recurrent translator: what it may know, that batches don't matter, and that it is kept exactly."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from seqpo.tasks.read_write.files import FolderError, load_translator, save_translator
from seqpo.tasks.read_write.translator.network import RecurrentTranslator, TranslatorConfig
from seqpo.tasks.read_write.translator.policy import TranslatorPolicy, greedy
from seqpo.types import Episode, Observation, Turn, pack
from tests.support.models import tiny
from tests.support.translation import renderer, tokenizer
from tests.support.translation import weights as flat_weights

VOCABULARY, START, STOP = 11, 0, 2
SHAPE = TranslatorConfig(embedding=6, hidden=8, attention=5)


def translator(config: TranslatorConfig = SHAPE, *, seed: int = 0) -> RecurrentTranslator:
    """In float64, with weights that make it have preferences."""
    torch.manual_seed(seed)
    made = RecurrentTranslator(config, VOCABULARY, start=START, stop=STOP).double().eval()
    with torch.no_grad():
        for weight in made.parameters():
            weight.mul_(3)
        made.bias.normal_()
    return made


MODEL = translator()
ids = st.integers(0, VOCABULARY - 1)
sentences = st.lists(
    st.tuples(st.lists(ids, min_size=1, max_size=7), st.lists(ids, min_size=1, max_size=6)), min_size=1
)


def episodes(pairs: list[tuple[list[int], list[int]]]) -> list[Episode]:
    return [Episode(0, (Turn(Observation(tuple(x)), tuple(y), (0.0,) * len(y)),)) for x, y in pairs]


def stepwise(model: RecurrentTranslator, source: list[int], target: list[int]) -> Tensor:
    """Log-probs of a translation, by asking for one word after the other."""
    annotations, read = model.encode(torch.tensor([source])), torch.tensor([len(source)])
    state, logprobs = model.initial(annotations, read), []
    for previous, token in zip([START, *target], target, strict=False):
        proposal = model.propose(state, torch.tensor([previous]), annotations, read)
        state = proposal.state
        logprobs.append(proposal.logits.log_softmax(-1)[0, token])
    return torch.stack(logprobs)


@settings(deadline=None, max_examples=40)
@given(sentences)
def test_a_padded_batch_is_scored_as_its_sentences_one_by_one_word_by_word(pairs: list[tuple[list[int], list[int]]]):
    scored = TranslatorPolicy(MODEL, tokenizer()).logprobs(pack(episodes(pairs)))
    torch.testing.assert_close(scored, torch.cat([stepwise(MODEL, *pair) for pair in pairs]))


@given(st.lists(ids, min_size=1, max_size=5), st.lists(ids, min_size=1, max_size=5), st.lists(ids, max_size=5))
def test_what_has_been_read_is_annotated_alike_whatever_follows(read: list[int], more: list[int], other: list[int]):
    alone = MODEL.encode(torch.tensor([read]))
    for rest in (more, other):
        torch.testing.assert_close(MODEL.encode(torch.tensor([read + rest]))[:, : len(read)], alone)
    continued = MODEL.encode(torch.tensor([more]), after=alone[:, -1])
    torch.testing.assert_close(torch.cat((alone, continued), 1), MODEL.encode(torch.tensor([read + more])))


def test_what_has_not_been_read_has_no_influence_on_a_proposal():
    annotations = torch.randn(2, 5, SHAPE.hidden, dtype=torch.float64)
    read, previous = torch.tensor([3, 1]), torch.tensor([4, START])
    unread = torch.arange(5) >= read[:, None]
    spoilt = torch.where(unread[..., None], 1e6, annotations)
    state, spoilt_state = MODEL.initial(annotations, read), MODEL.initial(spoilt, read)
    clean, dirty = (
        MODEL.propose(before, previous, heard, read) for before, heard in ((state, annotations), (spoilt_state, spoilt))
    )
    for name in ("logits", "state", "context", "attention"):
        torch.testing.assert_close(getattr(dirty, name), getattr(clean, name))
    assert torch.equal(clean.attention > 0, ~unread)
    torch.testing.assert_close(clean.attention.sum(1), torch.ones(2).double())
    more = MODEL.propose(state, previous, annotations, read + 1)
    assert (more.logits - clean.logits).abs().amax(1).min() > 1e-3


def test_a_proposal_is_the_conditional_gru_by_hand():
    """One step of the paper's Eq. 2, with torch's own GRU cells."""
    annotations, read = MODEL.encode(torch.tensor([[3, 5, 7]])), torch.tensor([3])
    torch.testing.assert_close(MODEL.initial(annotations, read), torch.tanh(MODEL.bridge(annotations.mean(1))))
    decoder = MODEL.decoder
    before, word = torch.randn(1, SHAPE.hidden, dtype=torch.float64), torch.tensor([6])
    embedded = MODEL.embed(word)

    def cell(inputs: torch.nn.Linear, recurrent_weight: Tensor, recurrent_bias: Tensor, given: Tensor, state: Tensor):
        return torch.gru_cell(given, state, inputs.weight, recurrent_weight, inputs.bias, recurrent_bias)

    halfway = cell(decoder.word_gates, decoder.state_gates.weight, decoder.state_gates.bias, embedded, before)
    split = (SHAPE.attention, 3 * SHAPE.hidden)
    (query, gates), (query_bias, bias) = decoder.halfway.weight.split(split), decoder.halfway.bias.split(split)
    keys = decoder.attend(annotations)[0]
    energy = keys @ (query @ halfway[0] + query_bias) / SHAPE.attention**0.5
    context = energy.softmax(0) @ annotations[0]
    state = cell(decoder.context_gates, gates, bias, context[None], halfway)
    out = torch.tanh(MODEL.readout(torch.cat((state, context[None], embedded), 1)))

    proposal = MODEL.propose(before, word, annotations, read)
    torch.testing.assert_close(proposal.state, state)
    torch.testing.assert_close(proposal.context[0], context)
    torch.testing.assert_close(proposal.attention[0], energy.softmax(0))
    torch.testing.assert_close(proposal.logits, out @ MODEL.embed.weight.t() + MODEL.bias)


def test_every_weight_gets_the_gradient_of_finite_differences():
    model = copy.deepcopy(MODEL)
    policy, batch = TranslatorPolicy(model, tokenizer()), pack(episodes([([3, 4, 5], [6, 7, 2]), ([8], [2])]))
    policy.logprobs(batch).sum().backward()
    for name, weight in model.named_parameters():
        assert weight.grad is not None
        place = int(weight.grad.abs().argmax())
        slope, step = weight.grad.flatten()[place].item(), 1e-6
        assert slope != 0, name
        ends = []
        for sign in (1, -1):
            with torch.no_grad():
                weight.view(-1)[place] += sign * step
                ends.append(policy.logprobs(batch).sum().item())
                weight.view(-1)[place] -= sign * step
        assert (ends[0] - ends[1]) / (2 * step) == pytest.approx(slope, rel=1e-5), name


def test_dropout_is_of_training_only():
    model = translator(TranslatorConfig(6, 8, 5, dropout=0.5))
    policy, batch = TranslatorPolicy(model, tokenizer()), pack(episodes([([3, 4], [5, 2])]))
    assert torch.equal(policy.logprobs(batch), policy.logprobs(batch))
    model.train()
    assert not torch.equal(policy.logprobs(batch), policy.logprobs(batch))


def test_products_in_bfloat16_are_near_those_in_float32():
    model = translator(TranslatorConfig(16, 24, 16)).float()
    batch = pack(episodes([([3, 4, 5], [6, 7, 2]), ([8], [2])]))
    exact = TranslatorPolicy(model, tokenizer()).logprobs(batch)
    rough = TranslatorPolicy(model, tokenizer(), autocast=torch.bfloat16).logprobs(batch)
    assert not torch.equal(rough, exact)
    torch.testing.assert_close(rough, exact, atol=0.15, rtol=0.05)
    rough.sum().backward()
    assert all(weight.grad is not None and weight.grad.dtype == torch.float32 for weight in model.parameters())


@settings(deadline=None, max_examples=30)
@given(st.lists(st.lists(ids, min_size=1, max_size=6), max_size=5), st.integers(1, 6), st.integers(1, 4))
def test_greedy_translations_take_the_likeliest_word_each_time(sources: list[list[int]], limit: int, slots: int):
    for source, written in zip(sources, greedy(MODEL, sources, limit, slots=slots), strict=True):
        assert STOP not in written
        assert len(written) <= limit
        said = [*written, STOP][:limit]
        annotations, read = MODEL.encode(torch.tensor([source])), torch.tensor([len(source)])
        state = MODEL.initial(annotations, read)
        for previous, token in zip([START, *said], said, strict=False):
            proposal = MODEL.propose(state, torch.tensor([previous]), annotations, read, MODEL.keys(annotations))
            state = proposal.state
            assert int(proposal.logits.argmax()) == token


def test_it_learns_to_turn_sentences_round():
    """What needs attention to every place, from either end."""
    torch.manual_seed(0)
    model = RecurrentTranslator(TranslatorConfig(16, 32, 32), VOCABULARY, start=START, stop=STOP)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    lines = torch.randint(3, VOCABULARY, (48, 4))
    pairs = [(line, [*reversed(line), STOP]) for line in lines.tolist()]
    batch, policy = pack(episodes(pairs)), TranslatorPolicy(model, tokenizer())
    for _ in range(150):
        optimizer.zero_grad()
        (-policy.logprobs(batch).mean()).backward()
        optimizer.step()
    assert greedy(model.eval(), lines.tolist(), 8) == [tuple(reversed(line)) for line in lines.tolist()]


def test_sizes_count_source_and_target():
    assert TranslatorPolicy(MODEL, tokenizer()).num_tokens(episodes([([3, 4, 5], [6, 2]), ([8], [2])])) == [5, 2]


def saved(folder: Path) -> Path:
    TranslatorPolicy(MODEL, tokenizer()).save(folder, MODEL.state_dict())
    return folder


def test_a_translator_is_kept_exactly_with_its_tokenizer(tmp_path: Path):
    loaded = load_translator(saved(tmp_path))
    assert (loaded.config, loaded.vocabulary, loaded.start, loaded.stop) == (SHAPE, VOCABULARY, START, STOP)
    assert not loaded.training
    for name, value in MODEL.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value)
    assert flat_weights(tmp_path).dtype == torch.float64
    assert (tmp_path / "tokenizer.json").exists()
    assert not list(tmp_path.glob("*.bin")) + list(tmp_path.glob("*.pt"))


def test_what_holds_no_translator_is_named(tmp_path: Path):
    with pytest.raises(FolderError, match=r"config\.json: no such file; give a checkpoint that `seqpo nmt` wrote"):
        load_translator(tmp_path)
    tiny().save_pretrained(tmp_path)
    with pytest.raises(FolderError, match=r"config\.json: not of a recurrent translator: it has the unknown key"):
        load_translator(tmp_path)


def test_what_is_torn_or_lost_is_named(tmp_path: Path):
    weights = saved(tmp_path) / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-5])
    with pytest.raises(FolderError, match=r"unreadable .*take an earlier checkpoint"):
        load_translator(tmp_path)
    weights.unlink()
    with pytest.raises(FolderError, match=r"model\.safetensors: no such file"):
        load_translator(tmp_path)
    weights.write_bytes(whole)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(FolderError, match="unreadable"):
        load_translator(tmp_path)


def test_weights_of_another_shape_are_named(tmp_path: Path):
    config = saved(tmp_path) / "config.json"
    record = json.loads(config.read_text(encoding="utf-8"))
    record["shape"]["hidden"] += 1
    config.write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(FolderError, match=r"model\.safetensors: not the weights of what .*config\.json describes"):
        load_translator(tmp_path)
    save_translator(MODEL, tmp_path, {"other": torch.zeros(1)})
    with pytest.raises(FolderError, match="not the weights of what"):
        load_translator(tmp_path)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"hidden": 0}, "must be positive"), ({"dropout": 1.0}, r"dropout must be in \[0, 1\), got 1.0")],
)
def test_shapes_without_meaning_are_refused(wrong: dict[str, float], said: str):
    with pytest.raises(ValueError, match=said):
        TranslatorConfig(**wrong)  # type: ignore[arg-type]


def test_the_vocabulary_of_a_task_fits():
    """The renderer's ids are the tokens that the translator begins and ends with."""
    frame = renderer()
    made = RecurrentTranslator(SHAPE, len(frame.tokenizer), start=frame.opening[0], stop=frame.stop)
    source = frame.source(["Ich", "weiß"]) + frame.source_end
    assert max(source) < made.vocabulary
    padded = pad_sequence([torch.tensor(source)], batch_first=True)
    assert made.encode(padded).shape == (1, len(source), SHAPE.hidden)
