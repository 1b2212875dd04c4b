"""The largest batch of a model: exact where memory grows, found with few dry runs, and the next one looked at."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaoprof.cli.app import run
from kaoprof.fitting.models import MOST, largest_batch


@given(weights=st.integers(0, 10**9), sample=st.integers(1, 10**8), memory=st.integers(1, 10**12))
def test_a_straight_line_is_met_exactly_with_few_dry_runs(weights, sample, memory):
    asked = []

    def need(batch):
        asked.append(batch)
        return weights + batch * sample

    expected = min(max(0, (memory - weights) // sample), MOST)
    assert largest_batch(need, memory) == expected
    assert len(set(asked)) <= 16


@given(st.data())
def test_whatever_grows_is_searched_exactly(data):
    steps = data.draw(st.lists(st.integers(0, 1000), min_size=1, max_size=60))
    needs = [sum(steps[: number + 1]) + 1 for number in range(len(steps))]
    memory = data.draw(st.integers(1, needs[-1]))

    def need(batch):
        return needs[batch - 1] if batch <= len(needs) else needs[-1] * 10 * batch

    fitting = [batch for batch in range(1, len(needs) + 1) if need(batch) <= memory]
    assert largest_batch(need, memory) == max(fitting, default=0)


def test_another_kernel_may_let_more_fit_again():
    needs = {1: 10, 2: 20, 3: 30, 4: 99, 5: 50}
    assert largest_batch(lambda batch: needs.get(batch, 1000), 60) == 5
    assert largest_batch(lambda batch: None if batch > 2 else batch, 60) == 2  # beyond 64 bits


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["kanet-qkv"], "--memory: how much memory is there?"),
        (["kanet-qkv", "--memory", "1GiB", "--solve", "h"], "of models only the batch is solved for"),
        (["kanet-qkv", "--memory", "1GiB", "--c", "8"], "--c: is for operators, and models are named"),
        (["--memory", "1GiB", "--size", "8"], "--size: is for models, and none is named"),
        (["kanet", "--memory", "1GiB"], "did you mean"),
    ],
)
def test_what_makes_no_sense_is_one_line(words, message, capsys):
    assert run(["fit", *words]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_the_next_batch_of_a_model_does_not_fit(capsys):
    words = ["mobilenetv2", "--memory", "24MiB", "--size", "64", "--device", "cpu", "--threads", "1"]
    assert run(["fit", *words, "--format", "csv"]) == 0
    header, line = capsys.readouterr().out.splitlines()
    row = dict(zip(header.split(","), line.split(","), strict=True))
    assert int(row["next_batch"]) == int(row["largest"]) + 1
    assert int(row["needed"]) <= 24 * 2**20 < int(row["next_needed"])
