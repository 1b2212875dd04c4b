"""Of a grid of cases, which few are tried on every run, and which wait for `pytest -m slow`."""

import pytest


def mostly_slow(cases, step):
    """Every `step`-th case as it is, the others marked `slow`.

    Steps that share no divisor with the lengths of the grid's axes meet every value of every axis; that they do is
    checked, so that a grid which grows keeps a representative of everything.
    """
    cases = [case if isinstance(case, tuple) else (case,) for case in cases]
    chosen = cases[::step]
    for axis, values in enumerate(zip(*cases, strict=True)):
        unmet = set(map(repr, values)) - {repr(case[axis]) for case in chosen}
        assert not unmet, f"step {step} leaves out {sorted(unmet)}"
    return [pytest.param(*case, marks=[pytest.mark.slow] * (number % step > 0)) for number, case in enumerate(cases)]
