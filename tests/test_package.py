"""What Python programs use: every name is there, and costs nothing before it is asked for."""

import subprocess
import sys

import pytest

import kaoprof
from kaoprof.fitting.run import run_fit
from kaoprof.sweeping.plan import sweep_plan


@pytest.mark.parametrize("name", kaoprof.__all__)
def test_every_name_stands_for_something(name):
    assert name in dir(kaoprof)
    vars(kaoprof).pop(name, None)  # as if nobody had asked for it yet
    first = getattr(kaoprof, name)
    assert first is getattr(kaoprof, name)
    assert isinstance(first, str) if name == "__version__" else callable(first)
    assert getattr(first, "__module__", "kaoprof.").startswith("kaoprof.")


def test_a_short_name_is_the_function_behind_the_command():
    assert kaoprof.fit is run_fit
    assert kaoprof.plan_sweep is sweep_plan


def test_a_name_that_stands_for_nothing_is_refused():
    with pytest.raises(AttributeError, match="module 'kaoprof' has no attribute 'compair'"):
        kaoprof.compair  # noqa: B018 - asking is the test


def test_importing_the_package_imports_nothing_of_it():
    script = "import kaoprof, sys; print([name for name in sys.modules if name.startswith(('kaoprof.', 'msgspec'))])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
