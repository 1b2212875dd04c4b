"""Of a grid of cases, which few are tried on every run, and which wait for `pytest -m slow`."""

from itertools import combinations

import pytest


def mostly_slow(cases, together=1):
    """Marks `slow` all cases but a few that meet every value of every axis, or every combination of `together` axes.

    The few are chosen greedily and in order, so that the same ones are tried on every run.
    """
    cases = [case if isinstance(case, tuple) else (case,) for case in cases]
    chosen = _chosen(cases, together)
    return [
        pytest.param(*case, marks=[] if number in chosen else pytest.mark.slow) for number, case in enumerate(cases)
    ]


def few_of(cases, together):
    """Of the cases few that meet every combination of `together` axes: where the whole grid would take too long."""
    chosen = _chosen(cases, together)
    return [case for number, case in enumerate(cases) if number in chosen]


def _chosen(cases, together):
    """The numbers of few cases that meet every combination of so many axes that the others meet."""
    met_by = [set(combinations(enumerate(map(repr, case)), together)) for case in cases]
    unmet, chosen = set().union(*met_by), set()
    while unmet:
        best = max(range(len(cases)), key=lambda number: len(met_by[number] & unmet))
        chosen.add(best)
        unmet -= met_by[best]
    return chosen
