"""What `--option` tells single operators, as tables show it."""

import pytest

from kaoprof.cli.app import run
from kaoprof.cli.operator_names import told_operators


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("gc.ratio=4", ["gc(ratio=4)"]),
        ("gc.ratio=1/4", ["gc(ratio=4)"]),
        ("gc.ratio=1/16", ["gc"]),  # as published
        ("gc.ratio = 4, 1/8", ["gc(ratio=4)", "gc(ratio=8)"]),
    ],
)
def test_a_ratio_is_a_number_or_a_fraction(option, told):
    assert told_operators(["gc"], [option]) == told


@pytest.mark.parametrize(
    ("option", "problem"),
    [
        ("gc.ratio=1/0", "--option ratio"),
        ("gc.ratio=4/1", "'gc.ratio=4/1' is no option of an operator"),
        ("gc.ratio=", "'gc.ratio=' is no option of an operator"),
        ("ema.bases=1/4", "'ema.bases=1/4' is no option of an operator"),
        ("ema.bases=-4", "--option bases"),
        ("ema.base=4", "ema has no option 'base'"),
        ("coordinate.ratio=4", "coordinate is not among the operators"),
    ],
)
def test_what_makes_no_sense_is_one_sentence(option, problem, capsys):
    assert run(["compare", "--h", "4", "--analytic", "--operators", "gc,ema", "--option", option]) == 2
    assert problem in capsys.readouterr().err


def test_fixtures_come_of_one_command(capsys):
    """Counted on the public modules: PVT's attention with stride 2, EMANet's unit of 16 bases, efficient attention."""
    words = ["--as-published", "--heads", "1", "--c", "64", "--h", "12", "--w", "18", "--analytic", "--format", "csv"]
    told = ["efficient.key_channels=32", "efficient.value_channels=48", "ema.bases=16", "gc.ratio=1/16"]
    options = [word for option in told for word in ("--option", option)]
    assert run(["compare", "--operators", "efficient,ema,gc,coordinate", *words, *options]) == 0
    out = capsys.readouterr().out
    assert all(f",{macs}," in out for macs in (2_875_392, 3_317_760, 28_160, 30_720))
