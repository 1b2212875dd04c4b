"""What exactly `kaoprof sweep` is asked of models: the grid, from a spec or from options."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from kaoprof.comparing.cases import parse_names, parse_sizes
from kaoprof.errors import UsageError
from kaoprof.networks.code_documents import find_document
from kaoprof.records.options import Options
from kaoprof.specs.documents import GridSpec, ModelGridSpec
from kaoprof.specs.grid import listed
from kaoprof.sweeping.model_plan import Planned, model_plan, refuse_operators

OF_BOTH = ("batch", "dtype", "mode")


class ModelsAsked(msgspec.Struct, frozen=True, kw_only=True):
    """Models by name, or the grid in YAML that lists them; and what only a sweep of models is asked."""

    models: tuple[str, ...] = ()
    grid: ModelGridSpec | None = None
    size: str | None = None
    measured: bool = True


def models_asked(specs: Sequence[str], *, size: str | None, measured: bool) -> ModelsAsked | None:
    """What is asked of models; None where operators are swept: a grid of them in YAML, or sizes alone.

    Raises:
        SpecError: a spec is not there, or malformed.
        UsageError: a grid among models, or an option that only models have without any.
    """
    refuse_operators(specs)
    if len(specs) == 1:
        spec = find_document(specs[0]).spec
        if isinstance(spec, ModelGridSpec):
            return ModelsAsked(grid=spec, size=size, measured=measured)
        specs = () if isinstance(spec, GridSpec) else specs
    if specs:
        return ModelsAsked(models=tuple(specs), size=size, measured=measured)
    given = "--size" if size is not None else "" if measured else "--no-measure"
    if given:
        hint = "of operators, --h, --w, --t or --n say the sizes" if size is not None else "of operators: --analytic"
        raise UsageError("is for models, and none is named", where=given, hint=hint)
    return None


def models_planned(
    asked: ModelsAsked,
    sizes: Mapping[str, str | None],
    words: Mapping[str, Any],
    options: Options,
    *,
    allow_import: bool,
) -> Planned:
    """The plan of the models; what is typed overrules what a grid says.

    Raises:
        UsageError: an option that only operators have, or words that make no sense.
        SpecError: a model is not there, or malformed.
    """
    foreign = [f"--{name}" for name, given in {**sizes, **words}.items() if given and name not in OF_BOTH]
    if foreign:
        hint = "models take --size, --batch, --dtype and --mode"
        raise UsageError("is for operators, and models are swept", where=foreign[0], hint=hint)
    typed = {name: text for name, text in words.items() if text and name in OF_BOTH}
    spec = asked.grid
    described: dict[str, Sequence[str]] = {"dtype": ("fp32",), "mode": ("forward",)}
    if spec is not None:
        described = {"dtype": listed(spec.dtype), "mode": listed(spec.mode)}
    said = {name: parse_names(typed.get(name)) or values for name, values in described.items()}
    batch = parse_sizes("batch", sizes.get("batch"))
    return model_plan(
        asked.models if spec is None else spec.models,
        size=asked.size if asked.size is not None or spec is None or spec.grid.size is None else listed(spec.grid.size),
        batch=batch if batch is not None else spec.grid.batch if spec is not None else 1,
        dtypes=said["dtype"],
        modes=said["mode"],
        measured=asked.measured,
        options=options,
        name="" if spec is None else spec.name,
        allow_import=allow_import,
    )
