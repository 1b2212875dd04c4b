"""Golden files for `fit`: a budget of memory, a time that is partly refused, and a crossing."""

import shutil
import subprocess

import pytest
from msgspec.structs import replace
from rendered import on_screen, printed, written
from samples import measured_record

from kaoprof.records.fit import (
    CheaperStretch,
    Conditions,
    CrossRecord,
    CrossRow,
    FitRecord,
    FitRow,
    Frame,
    TimedRatio,
)
from kaoprof.reporting.kinds import report_of, to_console
from kaoprof.reporting.tables.fit import sound, warnings_of

STAYS = Conditions(axis="h", sizes={"b": 1, "c": 64}, heads=1, projection="value", scale="sqrt", dtype="fp16",
                   mode="train", device="cpu", threads=2)  # fmt: skip
HEAD = {"version": "0.1.0", "created": "2026-01-02T03:04:05+00:00", "conditions": STAYS}


def row(operator, implementation, largest, **rest):
    return FitRow(operator=operator, implementation=implementation, largest=largest,
                  next_size=largest and largest + 1, **rest)  # fmt: skip


def memory():
    return FitRecord(
        **HEAD, budget="memory", amount=24 * 2**30,
        rows=(
            row("nonlocal", "matmul", 238, needed=25_704_602_240, next_needed=26_139_034_760),
            row("kao_qkv", "matmul", 6345, needed=25_767_416_704, next_needed=25_775_539_200),
            row("kao_kv", "sdpa", None, status="nothing", detail="h=1 already needs 24.1 GiB"),
        ),
    )  # fmt: skip


def time():
    return FitRecord(
        **HEAD, budget="time", amount=0.01, environment=measured_record().environment,
        rows=(
            row("nonlocal", "sdpa", 41, needed=0.00924, next_needed=0.0101, low=40, high=42,
                detail="interpolated between 4 sizes from 32 to 64, time as h^3.9 there"),
            row("kao_qkv", "matmul", None, status="refused", detail="fewer than 3 sizes could be measured & 5 %"),
        ),
    )  # fmt: skip


def crossing():
    stretches = (CheaperStretch(start=1, end=2, cheaper="nonlocal"), CheaperStretch(start=3, end=3, cheaper=None),
                 CheaperStretch(start=4, end=None, cheaper="kao_kv"))  # fmt: skip
    pair = {"first": "nonlocal", "second": "kao_kv"}
    ratios = tuple(
        TimedRatio(size=size, first="nonlocal:sdpa", second="kao_kv:matmul", ratio=ratio, low=0.9 * ratio,
                   high=1.1 * ratio, samples=12)
        for size, ratio in ((4, 0.57), (8, 0.95), (16, 2.7))
    )  # fmt: skip
    return CrossRecord(
        **HEAD, environment=measured_record().environment,
        rows=(
            CrossRow(**pair, quantity="macs", stretches=stretches, cheaper="kao_kv", since=4),
            CrossRow(**pair, quantity="memory", status="error", detail="no end in sight"),
            CrossRow(**pair, quantity="time", cheaper="kao_kv", since=9, low=4, high=16, ratios=ratios,
                     detail="measured from h=4 to 16; beyond that nothing is known"),
        ),
    )  # fmt: skip


def frame():
    """Implementations side by side, and a frame that was asked about."""
    conditions = replace(STAYS, device="cuda", threads=None, mode="forward", aspect="16:9")
    rows = (
        row("nonlocal", "matmul", 252), row("nonlocal", "sdpa", 5300), row("kao_qkv", "matmul", 7524),
        row("kao_qkv", "sdpa", 7524),
        row("kao_kv", "sdpa", 5320, detail="not every smaller h fits; h=7 needs 25 GiB: another kernel serves it"),
    )  # fmt: skip
    at = (
        FitRow(operator="nonlocal", implementation="matmul", largest=None, status="nothing", next_needed=125 * 2**40),
        row("nonlocal", "sdpa", 6), row("kao_qkv", "matmul", 12), row("kao_qkv", "sdpa", 12),
        FitRow(operator="kao_kv", implementation="sdpa", largest=None, status="error", detail="no kernel"),
    )  # fmt: skip
    asked = Frame(sizes={"c": 64, "h": 2160, "w": 3840}, rows=at)
    return FitRecord(**HEAD | {"conditions": conditions}, budget="memory", amount=24 * 2**30, rows=rows, frame=asked)


RECORDS = {"memory": memory, "time": time, "crossing": crossing, "frame": frame}


@pytest.mark.parametrize("width", [80, 140])
@pytest.mark.parametrize("name", RECORDS)
def test_a_fit_on_a_terminal(check_golden, name, width):
    text = on_screen(RECORDS[name](), width)
    assert max(map(len, text.splitlines())) <= width
    assert len([line for line in text.splitlines() if line.strip()]) <= 24
    assert "…" not in text
    check_golden(f"fit-{name}-{width}.txt", text)


def test_every_size_and_need_is_shown_in_depth(check_golden):
    check_golden("fit-frame-80-verbose.txt", printed(to_console(report_of(frame()), 80, verbose=True), 80))


@pytest.mark.parametrize("suffix", ["csv", "json", "md", "tex"])
@pytest.mark.parametrize("name", RECORDS)
def test_each_file_format(check_golden, name, suffix):
    check_golden(f"fit-{name}.{suffix}", written(RECORDS[name](), suffix))


def test_what_has_no_answer_is_warned_of():
    assert warnings_of(memory()) == []
    assert sound(memory())  # that nothing fits is an answer
    assert warnings_of(time()) == ["no answer for kao_qkv:matmul: fewer than 3 sizes could be measured & 5 %"]
    assert not sound(time())
    assert warnings_of(crossing()) == ["no answer for memory of nonlocal and kao_kv: no end in sight"]


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs a LaTeX installation")
def test_the_latex_compiles(tmp_path):
    body = "\n".join(written(make(), "tex") for make in RECORDS.values())
    document = rf"\documentclass{{article}}\usepackage{{booktabs,textcomp}}\begin{{document}}{body}\end{{document}}"
    (tmp_path / "paper.tex").write_text(document)
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"],
        cwd=tmp_path, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]
