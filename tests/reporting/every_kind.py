"""One record of each kind, for tests of what holds for all of them."""

from diffs import changed_pair
from explained import explanation
from model_samples import fitted_models, swept_models
from msgspec.structs import replace
from profile_samples import model
from profile_samples import record as profile_record
from samples import grid_record, measured_record
from test_fit_formats import crossing, memory

from kaoprof.diffing import diff
from kaoprof.records.measured import dumps
from kaoprof.records.options import Options
from kaoprof.reproducing import reproduce


def every_kind(folder):
    """The records by kind; `folder` holds the two that were compared."""
    paths = folder / "old.json", folder / "new.json"
    for path, record in zip(paths, changed_pair(), strict=True):
        path.write_text(dumps(record))
    return {
        "compare": measured_record(),
        "sweep": replace(grid_record(), kind="sweep"),
        "models": swept_models(),
        "profile": profile_record(model("small", 0.01)),
        "fit": memory(),
        "cross": crossing(),
        "fit-models": fitted_models(),
        "diff": diff(*paths, fail_above=0.05),
        "reproduction": reproduce(options=Options(analytic=True)),
        "explain": explanation(),
    }
