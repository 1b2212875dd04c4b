"""Sweeps of models: planned from words, resumed like those of operators, counted by several processes."""

import csv
import io

import msgspec
import pytest
from msgspec.structs import replace

from kaoprof.cli.app import run
from kaoprof.errors import SpecError, UsageError
from kaoprof.records.journal_reading import read_journal
from kaoprof.records.options import Options
from kaoprof.sweeping.model_plan import model_plan, sizes_of
from kaoprof.sweeping.run import Sweep

TINY = """
schema: 1
name: tiny
input: {channels: 3, size: [8, 8]}
layers:
  - {type: conv, out: 4, kernel: 3}
  - {type: global_avg_pool}
  - {type: linear, out: %d}
"""
ANALYTIC = Options(analytic=True)


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, outputs in (("tiny", 2), ("other", 7)):
        (tmp_path / f"{name}.yaml").write_text((TINY % outputs).replace("name: tiny", f"name: {name}"))
    return tmp_path


def swept(path, models=("tiny.yaml", "other.yaml"), size="8,10", batch=(1, 2), **given):
    plan, documents = model_plan(models, size=size, batch=batch, options=ANALYTIC, **given)
    return Sweep(plan=plan, path=path / "models.jsonl", documents=documents).run()


def macs_of(size, outputs):
    return size * size * 3 * 9 * 4 + 4 * outputs  # a 3 x 3 convolution of 3 channels to 4, and the last layer


def test_every_model_on_every_input_with_its_closed_form(tiny):
    (record,) = swept(tiny).records
    told = [(row.case.model, row.size, row.case.b, row.profile.total.macs_analytic) for row in record.rows]
    assert told == [
        (f"{name}.yaml", (size,), batch, macs_of(size, outputs))
        for batch in (1, 2)
        for size in (8, 10)
        for name, outputs in (("tiny", 2), ("other", 7))
    ]


def test_more_models_go_on_in_the_same_journal_and_another_spec_of_one_does_not(tiny):
    swept(tiny, ("tiny.yaml",))
    outcome = swept(tiny)
    assert (outcome.done, outcome.total, len(outcome.records)) == (8, 8, 1)
    (tiny / "tiny.yaml").write_text(TINY % 3)
    with pytest.raises(UsageError, match=r"another spec of tiny\.yaml than there"):
        swept(tiny)


@pytest.mark.usefixtures("tiny")
def test_operators_and_models_do_not_share_a_journal(capsys):
    assert run(["sweep", "tiny.yaml", "--analytic", "-o", "run.jsonl"]) == 0
    assert run(["sweep", "--h", "8", "--analytic", "-o", "run.jsonl"]) == 2
    assert "holds a sweep of models, and this is one of operators" in capsys.readouterr().err


def test_a_grid_in_yaml_names_models_sizes_dtypes_and_modes(tiny):
    (tiny / "grid.yaml").write_text(
        "schema: 1\nname: mine\nmodels: [tiny.yaml, other.yaml]\n"
        "grid: {size: [8, 8x10], batch: [1, 4]}\ndtype: [fp32, bf16]\nmode: [forward, train]\n"
    )
    assert run(["sweep", "grid.yaml", "--analytic", "--batch", "2"]) == 0
    contents = read_journal(tiny / "mine.jsonl")
    assert contents.plan.sizes == ((8,), (8, 10))
    assert (contents.plan.batch, contents.plan.dtypes, contents.plan.modes) == (
        (2,), ("fp32", "bf16"), ("forward", "train"),
    )  # fmt: skip
    assert len(contents.cells) == 2 * 2 * 2 * 2


def test_a_grid_of_operators_in_yaml_has_several_dtypes_and_modes(tiny):
    (tiny / "grid.yaml").write_text(
        "schema: 1\nname: mine\ngrid: {h: [4, 8], c: 8}\noperators: [kao_qkv]\n"
        "dtype: [fp32, bf16]\nmode: [forward, train]\n"
    )
    assert run(["sweep", "grid.yaml", "--analytic"]) == 0
    assert len(read_journal(tiny / "mine.jsonl").cells) == 2 * 2 * 2


def test_what_does_not_go_through_a_model_is_a_row(tiny):
    (tiny / "deep.yaml").write_text(
        "schema: 1\nname: deep\ninput: {channels: 3, size: [32, 32]}\n"
        "layers: [{type: conv, out: 2, kernel: 16, padding: 0}, {type: global_avg_pool}, {type: linear, out: 2}]\n"
    )
    (record,) = swept(tiny, ("deep.yaml",), size="8,32", batch=1).records
    assert [row.status for row in record.rows] == ["error", "ok"]
    assert "layers[0]" in record.rows[0].detail


def test_sizes_as_they_are_written():
    assert sizes_of(None) == (None,)
    assert sizes_of("128,192x256") == ((128,), (192, 256))
    assert sizes_of([128, "8x16x16", (4, 5)]) == ((128,), (8, 16, 16), (4, 5))
    with pytest.raises(UsageError, match="is no size"):
        sizes_of("128x")


@pytest.mark.usefixtures("tiny")
def test_a_plan_is_checked():
    with pytest.raises(SpecError, match="describes a grid, not a model"):
        model_plan(["paper-grid"])
    with pytest.raises(UsageError, match="add --allow-import"):
        model_plan(["torch.nn:Linear"])
    with pytest.raises(UsageError, match="cells are too many"):
        model_plan(["tiny.yaml"], size=list(range(1, 400)), batch=list(range(1, 400)))
    with pytest.raises(UsageError, match="did you mean 'fp32'"):
        model_plan(["tiny.yaml"], dtypes=["fp3"])
    plan = model_plan(["tiny.yaml", "tiny.yaml"], batch=(2, 2, 1)).plan
    assert (len(plan), plan.batch) == (2, (2, 1))
    assert msgspec.json.decode(msgspec.json.encode(plan), type=type(plan)) == plan
    assert replace(plan, measured=False).differences(plan) == ["measured False, there True"]


@pytest.mark.slow
@pytest.mark.usefixtures("tiny")
def test_models_are_counted_by_several_processes_and_resumed(capsys):
    words = ["sweep", "tiny.yaml", "other.yaml", "--no-measure", "--size", "8,10", "--device", "cpu", "--threads", "1"]
    assert run([*words, "--batch", "1", "-o", "run.jsonl"]) == 0
    assert run([*words, "--batch", "1,3", "-o", "run.jsonl", "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out.partition("schema,")[2].join(["schema,", ""]))))
    assert [(row["spec"], row["size"], row["batch"], int(row["macs_counted"]), row["macs_fvcore"]) for row in rows] == [
        (f"{name}.yaml", str(size), batch, macs_of(size, outputs), str(macs_of(size, outputs)))
        for batch in ("1", "3")
        for size in (8, 10)
        for name, outputs in (("tiny", 2), ("other", 7))
    ]
    assert {row["latency_s"] for row in rows} == {""}
    assert all(int(row["peak_bytes_predicted"]) > 0 for row in rows)
