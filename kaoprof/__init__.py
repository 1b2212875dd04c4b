"""kaoprof: what an attention operator costs, exactly on paper, measured on your device, and whether the two agree.

Functions, each of which returns a result that prints as a table, shows itself in a notebook, has `.to_pandas()` and
`.save("x.json")`; none changes your model or your process:

    count(net, x)               MACs, FLOPs, weights and predicted peak of a call, layer by layer, without running it
    with count() as counts:     the same of whatever runs inside: a loop, a pipeline, a training step
    profile(net, x)             and measured: latency and memory, layer by layer; profile("kanet-qkv") takes specs
    compare(h=56, c=64)         attention operators side by side
    sweep(h=[14, 28], c=64)     the same on a grid of sizes
    sweep_models("kanet-qkv")   whole models on a grid of sizes and batches
    explain("kao_qkv")          cost as formulas in the sizes, derived and proven
    fit(FitRequest(...), "memory", 24 * 2**30)      the largest size within a budget
    cross(FitRequest(...), "nonlocal,kao_qkv")      from which size on one operator is cheaper
    report("run.json", to="table.tex")              what was kept, in any format
    diff("old.json", "new.json")                    what changed beyond noise
    reproduce()                 a paper's figures and claims, judged
    load_runs("run.json")       what was kept, as records
    rule("mylib::myop")         registers what an operation of your own costs

`Options` says how to measure, `ModelOptions` what of a spec is overridden; whatever is wrong with a request is a
`KaoprofError` of one sentence. Each name is imported when it is first asked for.
"""

TYPE_CHECKING = False  # typing's own takes milliseconds to import, in which no Ctrl-C can be heeded yet
if TYPE_CHECKING:
    from kaoprof.comparing.run import compare as compare
    from kaoprof.counting.rules import rule as rule
    from kaoprof.diffing.run import diff as diff
    from kaoprof.dims import AttentionOptions as AttentionOptions
    from kaoprof.errors import KaoprofError as KaoprofError
    from kaoprof.explaining.run import ExplainRequest as ExplainRequest
    from kaoprof.explaining.run import explain as explain
    from kaoprof.fitting.run import FitRequest as FitRequest
    from kaoprof.fitting.run import run_cross, run_fit
    from kaoprof.inhand.profiled import profile as profile
    from kaoprof.profiling.run import ModelOptions as ModelOptions
    from kaoprof.records.options import Options as Options
    from kaoprof.records.reading import load_runs as load_runs
    from kaoprof.reporting.reported import report as report
    from kaoprof.reproducing.run import reproduce as reproduce
    from kaoprof.sweeping.plan import sweep_plan
    from kaoprof.sweeping.run import Sweep as Sweep
    from kaoprof.sweeping.swept import sweep as sweep
    from kaoprof.sweeping.swept import sweep_models as sweep_models
    from kaoprof.tape.counted import Counts as Counts
    from kaoprof.tape.counted import count as count
    from kaoprof.version import __version__ as __version__

    cross, fit, plan_sweep = run_cross, run_fit, sweep_plan

_PLACES = {  # name -> module:name under kaoprof; a test holds it and the imports above to each other
    "count": "tape.counted:count",
    "profile": "inhand.profiled:profile",
    "compare": "comparing.run:compare",
    "sweep": "sweeping.swept:sweep",
    "sweep_models": "sweeping.swept:sweep_models",
    "explain": "explaining.run:explain",
    "fit": "fitting.run:run_fit",
    "cross": "fitting.run:run_cross",
    "report": "reporting.reported:report",
    "diff": "diffing.run:diff",
    "reproduce": "reproducing.run:reproduce",
    "load_runs": "records.reading:load_runs",
    "plan_sweep": "sweeping.plan:sweep_plan",
    "rule": "counting.rules:rule",
    "AttentionOptions": "dims:AttentionOptions",
    "Counts": "tape.counted:Counts",
    "ExplainRequest": "explaining.run:ExplainRequest",
    "FitRequest": "fitting.run:FitRequest",
    "KaoprofError": "errors:KaoprofError",
    "ModelOptions": "profiling.run:ModelOptions",
    "Options": "records.options:Options",
    "Sweep": "sweeping.run:Sweep",
    "__version__": "version:__version__",
}
__all__ = list(_PLACES)


def __getattr__(name: str) -> object:
    """Imports what a name stands for.

    Raises:
        AttributeError: it stands for nothing.
    """
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    module, _, attribute = _PLACES[name].partition(":")
    value: object = getattr(importlib.import_module(f"{__name__}.{module}"), attribute)
    globals()[name] = value  # the next time it is there
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
