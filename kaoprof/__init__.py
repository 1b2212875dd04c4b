"""kaoprof: what an attention operator costs, exactly on paper, measured on your device, and whether the two agree.

What Python programs use stands here under short names; each is imported when it is first asked for.
"""

TYPE_CHECKING = False  # typing's own takes milliseconds to import, in which no Ctrl-C can be heeded yet
if TYPE_CHECKING:
    from kaoprof.dims import AttentionOptions
    from kaoprof.errors import KaoprofError
    from kaoprof.explaining import ExplainRequest, explain
    from kaoprof.fit_runs import FitRequest
    from kaoprof.fit_runs import run_cross as cross
    from kaoprof.fit_runs import run_fit as fit
    from kaoprof.model_profiling import ModelOptions, profile
    from kaoprof.profiling import compare
    from kaoprof.requests import Options
    from kaoprof.runs import load_runs
    from kaoprof.sweep_plan import sweep_plan as plan_sweep
    from kaoprof.sweeping import Sweep
    from kaoprof.version import __version__

__all__ = [
    "AttentionOptions",
    "ExplainRequest",
    "FitRequest",
    "KaoprofError",
    "ModelOptions",
    "Options",
    "Sweep",
    "__version__",
    "compare",
    "cross",
    "explain",
    "fit",
    "load_runs",
    "plan_sweep",
    "profile",
]

_PLACES = {
    "__version__": "version:__version__",
    "AttentionOptions": "dims:AttentionOptions",
    "ExplainRequest": "explaining:ExplainRequest",
    "FitRequest": "fit_runs:FitRequest",
    "KaoprofError": "errors:KaoprofError",
    "ModelOptions": "model_profiling:ModelOptions",
    "Options": "requests:Options",
    "Sweep": "sweeping:Sweep",
    "compare": "profiling:compare",
    "cross": "fit_runs:run_cross",
    "explain": "explaining:explain",
    "fit": "fit_runs:run_fit",
    "load_runs": "runs:load_runs",
    "plan_sweep": "sweep_plan:sweep_plan",
    "profile": "model_profiling:profile",
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
