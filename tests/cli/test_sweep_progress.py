"""What is seen of a sweep while it runs."""

from pathlib import Path

from msgspec.structs import replace
from sweeps import cell_at, plan_of

from kaoprof.cli.commands.sweep_progress import Screen, emerging, shown_sweep
from kaoprof.measuring.plan import Progress
from kaoprof.sweeping.run import SweepProgress

STEP = Progress(label="kao_kv:matmul 2 x 8 x 5 x 5", step="latency", done=3, total=10)
ROWS = [row for h in (32, 64, 128, 256) for row in cell_at(h)]


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_a_terminal_shows_cells_the_current_one_the_time_left_and_the_exponents(capsys):
    clock = Clock()
    screen = Screen(width=100, clock=clock)
    screen.show(SweepProgress(done=4, total=9, rows=ROWS, finished=cell_at(256), left_s=75.0))
    clock.now = 0.05
    screen.show(SweepProgress(done=4, total=9, rows=ROWS, step=STEP, left_s=75.0))
    assert "kao_kv" not in capsys.readouterr().err.partition("time grows")[0]  # a moment later: nobody reads so fast
    clock.now = 0.2
    screen.show(SweepProgress(done=4, total=9, rows=ROWS, step=STEP, left_s=75.0))
    first, second = capsys.readouterr().err.split("\n")
    assert "4/9 cells; about 75.0 s left; latency 4/10: kao_kv:matmul 2 x 8 x 5 x 5" in first
    assert "time grows as h^4.00 nonlocal:matmul, h^3.00 kao_kv:matmul" in second


def test_a_narrow_terminal_is_never_written_beyond_its_width(capsys):
    screen = Screen(width=20, clock=Clock())
    screen.show(SweepProgress(done=4, total=9, rows=ROWS, finished=cell_at(256), left_s=75.0))
    lines = capsys.readouterr().err.replace("\x1b[2K", "").replace("\x1b[1A", "").replace("\r", "").split("\n")
    assert [len(line) for line in lines] == [19, 19]


def test_exponents_come_from_rows_that_differ_in_size_only():
    assert emerging([]) == ""
    assert emerging(ROWS[:6]) == ""  # two sizes
    other = [row for h in (32, 64) for row in cell_at(h, c=64)]
    assert emerging([*ROWS, *other]) == ""
    assert emerging([*other, *ROWS]).startswith("time grows as h^4.00 nonlocal:matmul")


def test_warnings_of_the_session_are_said_once(capsys):
    with shown_sweep(plan_of(), Path("run.jsonl")) as watch:
        watch(SweepProgress(done=0, total=3, rows=[], step=replace(STEP, warning="this takes at least 33.0 s")))
        watch(SweepProgress(done=0, total=3, rows=[], step=STEP))
    assert capsys.readouterr().err == "warning: this takes at least 33.0 s\n"


def test_a_log_gets_a_line_per_measured_cell_and_none_for_closed_forms(capsys):
    def told(plan):
        with shown_sweep(plan, Path("run.jsonl")) as watch:
            watch(SweepProgress(done=0, total=3, rows=[]))
            watch(SweepProgress(done=0, total=3, rows=[], step=STEP))
            watch(SweepProgress(done=1, total=3, rows=[], finished=cell_at(5), left_s=75.0))
            watch(SweepProgress(done=3, total=3, rows=[], finished=cell_at(7), left_s=0.0))
        return capsys.readouterr().err.splitlines()

    beginning = "3 cells, kept in the journal run.jsonl"
    cell = "1/3 2 x 8 x 5 x 5, heads 1, fp32, forward: 3 ok; about 75.0 s left"
    assert told(plan_of()) == [beginning, cell, "3/3 2 x 8 x 7 x 7, heads 1, fp32, forward: 3 ok"]
    assert told(plan_of(analytic=True)) == [beginning]
