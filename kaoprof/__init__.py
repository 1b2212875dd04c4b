"""kaoprof: what an attention operator costs, exactly on paper, measured on your device, and whether the two agree.

What Python programs use stands here under short names; each is imported when it is first asked for.
"""

TYPE_CHECKING = False  # typing's own takes milliseconds to import, in which no Ctrl-C can be heeded yet
if TYPE_CHECKING:
    from kaoprof.comparing.run import compare
    from kaoprof.counting.rules import rule
    from kaoprof.dims import AttentionOptions
    from kaoprof.errors import KaoprofError
    from kaoprof.explaining.run import ExplainRequest, explain
    from kaoprof.fitting.run import FitRequest
    from kaoprof.fitting.run import run_cross as cross
    from kaoprof.fitting.run import run_fit as fit
    from kaoprof.inhand.profiled import profile
    from kaoprof.profiling.run import ModelOptions
    from kaoprof.records.options import Options
    from kaoprof.records.reading import load_runs
    from kaoprof.sweeping.plan import sweep_plan as plan_sweep
    from kaoprof.sweeping.run import Sweep
    from kaoprof.tape.counted import Counts, count
    from kaoprof.version import __version__

__all__ = [
    "AttentionOptions",
    "Counts",
    "ExplainRequest",
    "FitRequest",
    "KaoprofError",
    "ModelOptions",
    "Options",
    "Sweep",
    "__version__",
    "compare",
    "count",
    "cross",
    "explain",
    "fit",
    "load_runs",
    "plan_sweep",
    "profile",
    "rule",
]

_PLACES = {
    "__version__": "version:__version__",
    "AttentionOptions": "dims:AttentionOptions",
    "Counts": "tape.counted:Counts",
    "ExplainRequest": "explaining.run:ExplainRequest",
    "FitRequest": "fitting.run:FitRequest",
    "KaoprofError": "errors:KaoprofError",
    "ModelOptions": "profiling.run:ModelOptions",
    "Options": "records.options:Options",
    "Sweep": "sweeping.run:Sweep",
    "compare": "comparing.run:compare",
    "count": "tape.counted:count",
    "cross": "fitting.run:run_cross",
    "explain": "explaining.run:explain",
    "fit": "fitting.run:run_fit",
    "load_runs": "records.reading:load_runs",
    "plan_sweep": "sweeping.plan:sweep_plan",
    "profile": "inhand.profiled:profile",
    "rule": "counting.rules:rule",
}


def __getattr__(name: str) -> object:
    """Imports what a name stands for.

    Raises:
        AttributeError: it stands for nothing.
    """
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    module, _, attribute = _PLACES[name].partition(":")
    found: object = getattr(importlib.import_module(f"{__name__}.{module}"), attribute)
    globals()[name] = found  # the next time it is there
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
