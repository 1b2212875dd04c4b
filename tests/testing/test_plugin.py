"""The pytest plugin: limits that hold, that are broken, that make no sense; nothing is run, and torch opens late."""

import subprocess
import sys

import pytest
import torch
from handbook import GUIDE, blocks

import kaoprof

pytest_plugins = ["pytester"]
PLUGIN = "kaoprof.testing.plugin"
NET = """
import pytest
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.small, self.large = nn.Linear(5, 3), nn.Linear(3, 7)

    def forward(self, x, *, scale=1):
        return self.large(self.small(x)) * scale

@pytest.fixture
def kaoprof_model():
    return Net().to("meta"), torch.empty(2, 5, device="meta"){named}

@pytest.mark.kaoprof({limits})
def test_cost({taken}):
    pass
"""
MACS = 2 * (5 * 3 + 3 * 7)
PARAMS = 5 * 3 + 3 + 3 * 7 + 7


@pytest.fixture(scope="module")
def imported():
    """What counting imports: pytester forgets what is imported in its runs, and torch cannot be imported twice."""
    return kaoprof.count(torch.nn.Linear(2, 3), torch.ones(1, 2))


@pytest.fixture
def checked(imported, pytester):
    assert imported.macs == 6
    pytester.makeini("[pytest]\nfilterwarnings = default\n")

    def run_file(code):
        pytester.makepyfile(code)
        return pytester.runpytest_inprocess("-p", "no:cacheprovider", "-rw")

    return run_file


def net(limits, *, taken="kaoprof_model", named=""):
    return NET.format(limits=limits, taken=taken, named=named)


@pytest.mark.parametrize(
    "limits", [f"macs={MACS}", f'macs="{MACS}", flops="1k", peak="1MiB", params={PARAMS}'], ids=["one", "several"]
)
def test_a_model_within_its_limits_passes_and_is_not_run(checked, limits):
    checked(net(limits)).assert_outcomes(passed=1)  # tensors on the meta device cannot run


def test_what_is_broken_is_told_with_the_figure_the_factor_and_the_layer_that_has_most(checked):
    result = checked(net(f'macs="{MACS - 1}", params="23", peak="50B"'))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            f"Net: MACs of the call: {MACS}, 1.01x the limit {MACS - 1}; most in large (Linear): 42",
            "Net: parameters: 46, 2.00x the limit 23; most in large (Linear): 28",
            "Net: predicted peak memory: * B, *x the limit 50 B; most in *",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*During handling*")


@pytest.mark.parametrize(
    ("limits", "how", "message"),
    [
        ('mac="1M"', {}, "*limits no 'mac' (did you mean 'macs'?)"),
        ('"1M"', {}, "*takes limits by name*"),
        ("", {}, "*takes limits by name*"),
        ('peak="ten"', {}, "*(peak=...): 'ten' is not an amount of memory*"),
        ("macs=1.5", {}, "*1.5 is neither a text nor a whole number*"),
        ('macs="1M"', {"taken": ""}, "*does not take the fixture kaoprof_model*"),
        ('macs="1M"', {"named": ', {"scales": 2}'}, "*scales*"),
    ],
)
def test_a_limit_that_makes_no_sense_is_one_sentence(checked, limits, how, message):
    result = checked(net(limits, **how))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([message])


def test_a_mapping_at_the_end_is_passed_by_name(checked):
    checked(net('macs="1M"', named=', {"scale": 2}')).assert_outcomes(passed=1)


def test_the_marks_own_limit_overrules_that_of_its_class(checked):
    method = f"class TestCost:\n    @pytest.mark.kaoprof(macs={MACS})\n    def test_cost(self, kao"
    code = net("macs=1").replace("def test_cost(kao", method).replace("    pass\n", "        pass\n")
    checked(code).assert_outcomes(passed=1)
    checked(code.replace("kaoprof(macs=1)", "kaoprof(params=1)")).assert_outcomes(failed=1)


def test_what_has_no_rule_is_a_warning(checked):
    code = net('macs="1M"').replace("* scale", "+ torch.linalg.svdvals(x)[0]")
    result = checked(code)
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*Net is within its limits, but not in its counts, having no rule: _linalg_svd*"])


def test_the_example_of_the_guide_holds_and_its_message_is_what_is_said(checked):
    (code,) = blocks(GUIDE["ci"], "python")
    checked(code).assert_outcomes(passed=1)
    message, *_ = blocks(GUIDE["ci"], "text")
    checked(code.replace('macs="6M"', 'macs="4M"')).stdout.fnmatch_lines([message.strip()])


def test_pytest_starts_without_torch():
    script = "import sys, pytest, kaoprof.testing.plugin; print(sorted({'torch', 'msgspec'} & {*sys.modules}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_package_registers_it():
    import tomllib

    from handbook import ROOT

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"]["pytest11"] == {"kaoprof": PLUGIN}
