"""Where the tokens of a pass belong, and what the slots of the cache hold."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seqpo.sessions.cache import Plan, RaggedCache, make_plan
from tests.support.models import tiny


def _plan(lengths: list[int], counts: list[int], span: int = 32) -> Plan:
    return make_plan(lengths, counts, span, torch.device("cpu"), torch.float32)


def test_a_plan_by_hand():
    # slot 0 holds 3 tokens and brings 2, slot 1 brings none, slot 2 brings its first one
    plan = _plan([3, 5, 0], [2, 0, 1])
    assert plan.rows.tolist() == [0, 0, 2]
    assert plan.columns.tolist() == [0, 1, 0]
    assert plan.positions.tolist() == [3, 4, 0]
    assert (plan.slots, plan.longest, plan.one_each) == (3, 2, False)
    seen = plan.mask[:, 0] == 0
    assert seen[0].sum(1).tolist() == [4, 5]
    assert seen[2].sum(1).tolist()[0] == 1


def test_every_query_sees_its_past_and_itself_alone():
    plan = _plan([0, 7, 20], [5, 3, 1])
    for row, column, position in zip(plan.rows, plan.columns, plan.positions, strict=True):
        visible = plan.mask[row, 0, column] == 0
        assert visible.tolist() == [place <= position for place in range(len(visible))]


def test_no_row_of_a_mask_is_empty():
    plan = _plan([0, 4, 0], [0, 0, 6])
    assert (plan.mask == 0).any(-1).all()


def test_one_token_each_is_recognised():
    assert _plan([3, 9], [1, 1]).one_each
    assert not _plan([3, 9], [1, 0]).one_each
    assert not _plan([3, 9], [2, 1]).one_each


def test_the_cache_keeps_what_it_holds_when_it_changes_its_size_and_when_it_is_copied():
    cache = RaggedCache(tiny().config, 3, torch.device("cpu"), torch.float64)
    shape = (1, 2, 4, 8)  # one flat row of four tokens, two heads of keys
    keys, values = torch.randn(shape).double(), torch.randn(shape).double()
    cache.prepare(_plan([0, 0], [3, 1]))
    held, _ = cache.update(keys, values, 0)
    torch.testing.assert_close(held[0, :, :3], keys[0, :, :3])
    torch.testing.assert_close(held[1, :, 0], keys[0, :, 3])
    for span in (64, 16):
        cache.prepare(_plan([3, 1], [1, 1], span))
        assert cache.capacity == span
        torch.testing.assert_close(cache.stored_values[0, 0, :, :3], values[0, :, :3])
    cache.copy(0, 2, 3)
    torch.testing.assert_close(cache.stored_keys[0, 2, :, :3], keys[0, :, :3])


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 1000), st.integers(1, 1000))
def test_the_cache_has_room_and_not_much_more(before: int, longest: int):
    cache = RaggedCache(tiny().config, 1, torch.device("cpu"), torch.float32)
    cache.prepare(_plan([0], [1], span=cache.span(before)))
    assert longest <= cache.span(longest) <= max(2 * longest, 16)
