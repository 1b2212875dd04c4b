"""The pytest plugin: `@pytest.mark.kaoprof(macs="1.3G", peak="100MiB")` on a test that takes `kaoprof_model`.

Nothing is run: the counts and the predicted peak follow from recording one call without data. torch is imported when
the first such test is checked, and never by pytest's own start.
"""

from collections.abc import Mapping
from typing import Any

import pytest

FIXTURE = "kaoprof_model"
MARK = "kaoprof"
MARKER = (
    f"{MARK}(macs=..., flops=..., params=..., peak=...): upper bounds of what the model that the fixture {FIXTURE} "
    "returns, as (model, *inputs), may cost; nothing is run for them"
)


def pytest_configure(config: pytest.Config) -> None:
    """Registers the mark."""
    config.addinivalue_line("markers", MARKER)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    """Checks the limits of a marked test, before its own body."""
    given: dict[str, object] = {}
    marks = list(item.iter_markers(MARK))
    for mark in reversed(marks):  # those of the class first: the test's own overrule them
        given |= mark.kwargs
    if marks:
        check(item, given, [value for mark in marks for value in mark.args])


def check(item: pytest.Item, given: Mapping[str, object], positional: list[object]) -> None:
    """Fails the test if its model costs more than it may; warns where that cannot be told for sure."""
    from kaoprof.errors import KaoprofError
    from kaoprof.testing.limits import broken, gaps, limits_of

    wrong: list[str] = []
    try:
        limits = limits_of(given, positional)
        counts = counts_of(getattr(item, "funcargs", {}))
        name = counts.models[0].model
        wrong = [f"{name}: {sentence}" for sentence in broken(counts, limits)]
    except KaoprofError as error:
        wrong = [f"kaoprof: {error}"]
    if wrong:  # out here, so that no other exception is shown with it
        pytest.fail("\n".join(wrong), pytrace=False)
    for gap in gaps(counts, limits):
        item.warn(pytest.PytestWarning(f"kaoprof: {name} is within its limits, but {gap}"))


def counts_of(arguments: Mapping[str, Any]) -> Any:
    """The count of the model in a test's arguments.

    Raises:
        UsageError: there is none, or it is no model with its inputs.
    """
    from kaoprof.errors import UsageError
    from kaoprof.tape.counted import count

    if FIXTURE not in arguments:
        raise UsageError(f"the test does not take the fixture {FIXTURE}", hint=f"def test_cost({FIXTURE}): ...")
    model, *inputs = _told(arguments[FIXTURE])
    named = inputs.pop() if inputs and isinstance(inputs[-1], Mapping) else {}
    return count(model, *inputs, **named)


def _told(returned: object) -> tuple[Any, ...]:
    from kaoprof.errors import UsageError

    if isinstance(returned, tuple) and returned and callable(returned[0]):
        return returned
    hint = "return model, x; a mapping at the end holds what it is called with by name"
    raise UsageError(f"the fixture {FIXTURE} returned no model with its inputs", hint=hint)
