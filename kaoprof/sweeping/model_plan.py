"""From the words of a request to the plan of a sweep of models, checked."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import msgspec

from kaoprof.comparing.cases import Sizes, as_sizes, parse_axes
from kaoprof.dims import DTYPE_BYTES, MODES
from kaoprof.errors import SpecError, UsageError
from kaoprof.networks import override
from kaoprof.networks.code_documents import find_document
from kaoprof.records.options import Options, checked_options
from kaoprof.records.sweep import ModelPlan, NamedModel, Plan
from kaoprof.specs import Document
from kaoprof.specs.documents import CodeSpec
from kaoprof.specs.grid import MAX_CELLS
from kaoprof.sweeping.plan import checked_words, once

DIGEST = 16  # letters: enough to tell two specs of one name apart
ModelSizes = int | str | Iterable[int | str | Sequence[int]] | None


class Planned(NamedTuple):
    """A plan; and if it is one of models, the document of each by its name."""

    plan: Plan
    documents: Mapping[str, Document] = MappingProxyType({})


def model_plan(
    models: Iterable[str],
    *,
    size: ModelSizes = None,
    batch: Sizes = 1,
    dtypes: Iterable[str] = ("fp32",),
    modes: Iterable[str] = ("forward",),
    measured: bool = True,
    options: Options | None = None,
    name: str = "",
    allow_import: bool = False,
) -> Planned:
    """A checked plan; what is named twice is measured once.

    Args:
        models: specs by name or file, and code such as `timm:resnet50`.
        size: spatial sizes, one or several: 224, `192x256`, (192, 256); None: as each model says.
        batch: samples at once, one or several.
        dtypes: of inputs and parameters.
        modes: `forward`, `train`.
        measured: whether anything is run.
        options: device, budget and how to measure.
        name: of the grid.
        allow_import: whether models may be code, which is imported.

    Raises:
        SpecError: a model is not there, or malformed.
        UsageError: words that are not known, sizes that cannot be, code without permission, too many cells.
    """
    names = once(models)
    if not names:
        raise UsageError("no model is named", where="models", hint="for example kaoprof sweep kanet-qkv mobilenetv2")
    documents = {model: _checked(model, allow_import=allow_import) for model in names}
    plan = ModelPlan(
        name=name,
        models=tuple(NamedModel(name=model, digest=_digest(documents[model])) for model in names),
        sizes=sizes_of(size),
        batch=once(as_sizes("batch", batch)),
        dtypes=once(checked_words("dtype", dtypes, tuple(DTYPE_BYTES))),
        modes=once(checked_words("mode", modes, MODES)),
        measured=measured,
        options=checked_options(options),
        allow_import=allow_import,
    )
    if len(plan) > MAX_CELLS:
        raise UsageError(f"{len(plan):,} cells are too many", where="sizes", hint=f"at most {MAX_CELLS:,}")
    for model in names:
        _check_sizes(documents[model], plan)
    return Planned(plan, documents)


def sizes_of(size: ModelSizes) -> tuple[tuple[int, ...] | None, ...]:
    """One size or several, each as its axes; None alone for the models' own.

    Raises:
        UsageError: one is none.
    """
    if size is None:
        return (None,)
    several = size.split(",") if isinstance(size, str) else [size] if isinstance(size, int) else list(size)
    sizes = once(
        parse_axes(str(given)) if isinstance(given, int | str) else as_sizes("size", tuple(given)) for given in several
    )
    if not sizes:
        raise UsageError("no size given", where="size")
    return sizes


def _checked(model: str, *, allow_import: bool) -> Document:
    """The document of a model, which must be one that runs, and may be imported if it is code."""
    document = find_document(model)
    if document.kind == "grid":
        hint = "kaoprof sweep takes a grid alone, or models"
        raise SpecError("describes a grid, not a model", where=model, hint=hint)
    if isinstance(document.spec, CodeSpec) and not allow_import:
        message = f"{document.spec.module!r} is not imported: importing runs its code"
        raise UsageError(message, where=model, hint="if you trust it, add --allow-import")
    return document


def _check_sizes(document: Document, plan: ModelPlan) -> None:
    """Refuses a number of axes that the model has not; a size that does not go through its layers becomes a row."""
    for size in plan.sizes:
        override(document, size=size, batch=plan.batch[0])


def _digest(document: Document) -> str:
    return hashlib.sha256(msgspec.json.encode(document.spec)).hexdigest()[:DIGEST]
