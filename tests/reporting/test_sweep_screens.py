"""What `sweep` shows: who wins, how all grow, and what is not sure of it; of operators and of models."""

import pytest
from model_samples import swept_models
from msgspec.structs import replace
from rendered import on_screen
from sweeps import closed_record, swept_record

from kaoprof.records.measured import Latency
from kaoprof.records.own import OwnModule

SCREENS = [
    ("sweep-80.txt", swept_record(), 80, False), ("sweep-140.txt", swept_record(), 140, False),
    ("sweep-80-verbose.txt", swept_record(), 80, True), ("sweep-analytic-80.txt", closed_record(), 80, False),
    ("sweep-models-80.txt", swept_models(), 80, False), ("sweep-models-140.txt", swept_models(), 140, False),
]  # fmt: skip


@pytest.mark.parametrize(("name", "record", "width", "verbose"), SCREENS, ids=[screen[0] for screen in SCREENS])
def test_the_screen(name, record, width, verbose, check_golden):
    text = on_screen(record, width, verbose=verbose)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    check_golden(name, text)


def test_the_screen_gives_the_exponents_that_the_rows_follow():
    lines = on_screen(swept_record()).splitlines()
    rows = {line.split()[0]: line.split() for line in lines[4:7]}
    theory = {name: words[2] for name, words in rows.items()}
    assert theory == {"nonlocal": "h^4", "kao_kv": "h^3", "kao_qkv": "h^2"}
    assert {name: float(words[3]) for name, words in rows.items()} == {"nonlocal": 4.0, "kao_kv": 3.0, "kao_qkv": 2.0}
    assert float(rows["nonlocal"][5]) == 4.0
    assert [line.split()[0] for line in lines[4:7]] == ["kao_qkv", "kao_kv", "nonlocal"]  # best first


def test_the_screen_is_of_the_largest_size_that_all_ran():
    lines = on_screen(swept_record()).splitlines()
    assert lines[1].split() == ["at", "h=128", "at", "h=128"]
    assert lines[8].startswith("At h=128: kao_qkv is 1010x as fast as the best nonlocal (matmul)")


def test_who_is_fastest_everywhere_is_said_as_far_as_it_is_sure():
    """At the largest size the baseline ran three times: no interval, so nothing is sure there."""
    rows = tuple(
        replace(row, latency=Latency(rounds=(0, 1, 2), samples_s=row.latency.samples_s[:3], calls=1))
        if row.case.operator == "nonlocal" and row.case.spatial[0] == 128 else row
        for row in swept_record().rows if row.case.operator != "kao_kv"
    )  # fmt: skip
    text = " ".join(on_screen(replace(swept_record(), rows=rows)).split())
    assert "kao_qkv is surely the fastest at every size, h=16 to 64." in text
    assert "(no interval from 3 rounds). At h=64 it is at least" in text


def test_what_somebody_hands_over_has_a_row_also_without_a_closed_form():
    own = OwnModule(name="Mine", code="mine:Mine")
    rows = tuple(
        replace(row, case=replace(row.case, operator="Mine", implementation="own", own=own), analytic=None)
        if row.case.operator == "kao_kv" else row
        for row in swept_record().rows
    )  # fmt: skip
    (line, *_) = [line for line in on_screen(replace(swept_record(), rows=rows)).splitlines() if line[:4] == "Mine"]
    assert line.split()[2:6] == ["-"] * 4
    assert "21.0 ms" in line


def test_time_that_no_arithmetic_explains_is_marked():
    rows = tuple(
        replace(row, latency=replace(row.latency, samples_s=tuple(
            seconds * row.case.spatial[0] for seconds in row.latency.samples_s
        )))
        if row.latency and row.case.operator == "kao_kv" else row
        for row in swept_record().rows
    )  # fmt: skip
    text = on_screen(replace(swept_record(), rows=rows))
    (line, *_) = [line for line in text.splitlines() if line.startswith("kao_kv")]
    assert line.split()[5:7] == ["3.99", "!"]
    assert "Time grows faster than arithmetic (!) for kao_kv:matmul" in text
