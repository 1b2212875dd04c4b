"""What is said before a run that its budget cannot hold: a lower bound, and nothing where it may fit."""

from hypothesis import given
from hypothesis import strategies as st

from kaoprof.measuring.outlook import Ahead, Outlook, longer_than_asked
from kaoprof.records.options import Options

RATE, GIB = 1e11, 2**30
SLOW = Ahead(label="kao_kv:matmul 1 x 64 x 1024 x 1024", flops=int(5.5 * RATE))  # seconds of one call


def said(*cells, budget_s=5.0, free_bytes=16 * GIB, **options):
    outlook = Outlook(cells=cells, share_s=budget_s / len(cells))
    plan = Options(budget_s=budget_s, **options)
    return longer_than_asked(outlook, plan, throughput_flops=RATE, free_bytes=free_bytes)


def test_calls_longer_than_the_budget_are_each_made_twice_at_least():
    assert said((SLOW, SLOW)) == (
        "this takes at least 22.0 s, whatever the budget of 5.00 s: one call of kao_kv:matmul 1 x 64 x 1024 x 1024 "
        "takes 5.50 s or more"
    )


def test_a_call_longer_than_its_share_is_timed_as_often_as_the_budget_holds_it():
    assert "at least 33.0 s" in said((SLOW, SLOW), budget_s=8.0)  # two rows, each called 2 + 1 times
    assert "at least 2.20 min" in said((SLOW, SLOW), budget_s=20.0)  # 2 + 10 times
    assert said((SLOW,), budget_s=60.0) == ""  # ten rounds of it fit


def test_what_will_be_skipped_takes_no_time():
    assert said((SLOW, SLOW), timeout_s=5.0) == ""
    large = Ahead(label="nonlocal:matmul", flops=int(5.5 * RATE), needed_bytes=14 * GIB)
    assert said((large,)) == ""
    assert "nonlocal:matmul" in said((large,), free_bytes=None)
    assert "nonlocal:matmul" in said((large,), force_run=True)


def test_many_small_cells_are_said_as_such():
    quick = tuple(Ahead(label="quick", flops=1) for _ in range(8))
    assert said(*[quick] * 100, budget_s=10.0) == (
        "this takes at least 40.0 s, whatever the budget of 10.0 s: 100 cells with 800 rows have 100 ms each"
    )


def test_who_asks_for_samples_asks_for_no_time():
    assert said((SLOW, SLOW), samples=20) == ""


@given(st.lists(st.lists(st.floats(1e-6, 50.0), max_size=4), min_size=1, max_size=4), st.floats(0.1, 100.0))
def test_nothing_is_said_unless_it_is_clearly_more(calls_s, budget_s):
    """However the rows are: ten rounds of all that fit into their share, and two calls more, bound what is foreseen."""
    cells = [tuple(Ahead(label="row", flops=int(seconds * RATE)) for seconds in cell) for cell in calls_s]
    most_s = sum(max(12 * seconds, 0.05) for cell in calls_s for seconds in cell) + budget_s
    text = said(*cells, budget_s=budget_s)
    assert not text or most_s > 1.5 * budget_s
