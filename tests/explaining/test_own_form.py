"""Closed forms that are derived from somebody's module, in the layout in which it runs."""

import pytest

from kaoprof.dims import Dims
from kaoprof.errors import UsageError
from kaoprof.explaining.analysis import NotAnalysableError
from kaoprof.explaining.own_form import answered
from kaoprof.findings.own_cost import cost_of
from kaoprof.measuring.messages import DeriveForm
from kaoprof.records.own import OwnModule


def ask(code, *spatial, arguments="", c=4, b=1, mode="forward", **own):
    sizes = tuple(Dims(b=b, c=c, spatial=size) for size in spatial)
    module = OwnModule(name="own", code=code, arguments=arguments, **own)
    return answered(DeriveForm(own=module, sizes=sizes, dtype="fp32", mode=mode, seed=0))


def test_attention_among_tokens_has_the_formula_that_its_lines_have():
    answer = ask("somebodys:TokenAttention", (3, 5), (7, 7))
    assert (answer.layout, answer.form.method, answer.holds) == ("tokens", "derivation", (0, 1))
    cost = cost_of(answer.form, Dims(b=1, c=6, spatial=(5, 7)))
    n, c = 35, 6
    assert (cost.macs, cost.params) == (4 * n * c**2 + 2 * n**2 * c, 4 * c**2 + 4 * c)
    assert cost.map_entries == 2 * n**2  # two heads
    assert (answer.form.order_time, answer.form.order_memory) == ("O(h^4 c)", "O(h^4)")


@pytest.mark.slow  # torch reasons for half a minute about which sizes windows divide
def test_windows_hold_for_their_multiples_only():
    answer = ask("somebodys:WindowedAttention", (8, 12), (9, 12))
    assert (answer.layout, answer.holds, answer.form.multiples["h"]) == ("map", (0,), 4)
    assert cost_of(answer.form, Dims(b=1, c=4, spatial=(8, 12))).macs == 4 * 96 * 16 + 2 * 96 * 16 * 4


def test_fused_attention_counts_the_coefficients_that_it_never_writes():
    answer = ask("somebodys:ReducedAttention", (6, 10), arguments="ratio=2")
    cost = cost_of(answer.form, Dims(b=1, c=4, spatial=(7, 10)))
    assert (answer.layout, cost.map_entries) == ("tokens", 70 * (3 * 5))
    assert cost.macs == 15 * 4 * 4 * 4 + 2 * 70 * 15 * 4


def test_an_axis_as_long_as_there_are_channels_deceives_nobody():
    assert ask("torch.nn:Linear", (4, 4), arguments="c, c").layout == "tokens"  # as a map it would run just as well


def test_a_gate_has_no_contraction_and_no_map():
    answer = ask("somebodys:Gate", (3, 5))
    assert (answer.form.macs, answer.form.map_entries, answer.form.order_time) == ("0", None, "O(1)")


def test_channels_that_are_written_down_stay():
    answer = ask("somebodys:TokenAttention", (3, 5), arguments="4")
    assert "c" not in answer.form.macs
    assert answer.form.order_time == "O(h^4)"
    assert answer.holds == (0,)


@pytest.mark.slow
def test_training_has_its_own_formula():
    answer = ask("somebodys:TokenAttention", (3, 5), mode="train", b=2)
    assert cost_of(answer.form, Dims(b=2, c=4, spatial=(3, 5))).macs == 3 * (4 * 15 * 16 + 2 * 15**2 * 4)
    assert answer.form.flops_all is None


def test_what_depends_on_values_has_no_form_and_still_a_layout():
    answer = ask("somebodys:LooksAtValues", (3, 5))
    assert (answer.layout, answer.form) == ("tokens", None)
    assert "depends on data" in answer.objection


def test_a_module_whose_first_axis_is_not_the_batch_is_told_so():
    answer = ask("torch.nn:MultiheadAttention", (3, 5), arguments="num_heads=1")
    assert answer.form is None
    assert "not proportional to the batch (is the batch its first axis?)" in answer.objection


def test_what_runs_at_none_of_the_sizes_says_why_in_every_layout():
    with pytest.raises(NotAnalysableError, match=r"runs neither as \(b, c, h, w\): .*nor as \(b, h\*w, c\)"):
        ask("somebodys:TokenAttention", (3, 5), arguments="6")
    with pytest.raises(UsageError, match="wants window"):
        ask("somebodys:Masked", (3, 5))
