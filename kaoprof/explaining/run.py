"""From a request to an explanation: the symbolic cost of an operator, a spec or somebody's own module. Never prints.

Torch-free until something is explained.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from kaoprof.catalog import OPERATORS, find_operator, is_operator
from kaoprof.dims import DTYPE_BYTES, MODES, SPATIAL_AXES, AttentionOptions, one_of
from kaoprof.errors import KaoprofError, UsageError, did_you_mean
from kaoprof.explaining.target import HINTS, Target, operator_target, workload_target
from kaoprof.records.explain import Explanation
from kaoprof.workload.process import leaves_process_alone
from kaoprof.workload.size_arithmetic import Argument, evaluate, parse_pattern
from kaoprof.workload.workload import TORCH_DTYPES, Workload

if TYPE_CHECKING:
    from kaoprof.specs import Document

PATTERN = 'for example --input "b,c,h,w" --at b=2,c=8,h=14,w=15'


LIMIT_S = 300.0  # for the formulas of somebody's code: ten times what those of a large one take


class ExplainRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be explained.

    Args:
        target: an operator's name, a spec (a path or a shipped name), or code: `package.module:Class`.
        options: of an operator.
        ndim: spatial axes of an operator's input, 1 to 3.
        inputs: of code and of specs that name code, one pattern for each input: `"b,c,h,w"`; a number stays fixed.
        sizes: the sizes at which things are counted and shares are given; they are also the names of code's sizes.
        args: positional arguments of code; a text of size names, such as `c` or `4*c`, is a size.
        kwargs: keyword arguments of code, likewise.
        allow_import: whether code may be imported, which runs it.
        mode: `forward` or `train`.
        dtype: of inputs and parameters.
        device: where peak memory is predicted for, `cpu` or `cuda`.
        threads: of the CPU kernels; some keep a buffer for each.
        seed: of the sizes at which formulas are verified.
        input_grad: whether the input of code and of models requires gradients in `train`; an operator's always does.
    """

    target: str
    options: AttentionOptions = msgspec.field(default_factory=AttentionOptions)
    ndim: int = 2
    inputs: tuple[str, ...] = ()
    sizes: Mapping[str, int] = msgspec.field(default_factory=dict)
    args: tuple[Argument, ...] = ()
    kwargs: Mapping[str, Argument] = msgspec.field(default_factory=dict)
    allow_import: bool = False
    mode: str = "forward"
    dtype: str = "fp32"
    device: str = "cpu"
    threads: int = 1
    seed: int = 0
    input_grad: bool = False

    def __post_init__(self) -> None:
        one_of("mode", self.mode, MODES)
        one_of("dtype", self.dtype, tuple(DTYPE_BYTES))
        one_of("device", self.device, ("cpu", "cuda"))
        if self.ndim not in SPATIAL_AXES:
            raise UsageError(f"must be 1, 2 or 3, not {self.ndim}", where="ndim")
        if self.threads < 1:
            raise UsageError(f"must be at least 1, not {self.threads}", where="threads")


@leaves_process_alone
def explain(request: ExplainRequest | str, /, **wishes: Any) -> Explanation:
    """Derives, proves and verifies the costs of what is asked for: `kaoprof.explain("kao_qkv")`.

    Args:
        request: what is asked; or the target alone.
        wishes: beside a target, whatever else a request has, such as `ndim=3` or `mode="train"`.

    Raises:
        UsageError: the request is wrong: an unknown target, a missing input or size, an import that is not allowed.
        KaoprofError: the module cannot be analysed, or a formula disagrees with a count.
    """
    request = _request(request, wishes)
    target = find_target(request)  # whatever is wrong with the request is told before a process starts
    if target.factory.startswith("kaoprof.") and not target.factory.endswith(":module_from_json"):
        return derived_here(request)
    return _derived_in_child(request)


def _derived_in_child(request: ExplainRequest) -> Explanation:
    """The explanation of somebody's code."""
    import pickle

    from kaoprof.measuring.child import Child, Unanswered
    from kaoprof.measuring.connection import START_LIMIT_S
    from kaoprof.measuring.messages import Derive, preparation

    child = Child()
    try:
        child.ask(preparation("cpu", threads=None), timeout_s=START_LIMIT_S)
        answer = child.ask(Derive(pickled=pickle.dumps(request)), timeout_s=LIMIT_S)
    except Unanswered as failure:
        raise KaoprofError(failure.message, where=request.target) from None
    finally:
        child.kill()
    if answer.explanation is not None:
        explanation: Explanation = answer.explanation
        return explanation
    refusal = answer.refusal
    raise (UsageError if refusal.usage else KaoprofError)(refusal.message, where=refusal.where, hint=refusal.hint)


def derived_here(request: ExplainRequest) -> Explanation:
    """As `explain`, but in this process, whatever the code in question does to it.

    Raises:
        KaoprofError: as `explain`.
    """
    target = find_target(request)
    from kaoprof.explaining.assembly import explained
    from kaoprof.explaining.verification import Device

    operator = request.target if is_operator(request.target) else None
    try:
        explanation = explained(
            target,
            name=request.target,
            operator=operator,
            options=request.options,
            device=Device(name=request.device, threads=request.threads),
            seed=request.seed,
        )
    except (SystemExit, GeneratorExit) as error:  # somebody's code may do anything; an exit without a word is no answer
        raise KaoprofError(f"its code raises {type(error).__name__}", where=request.target) from error
    inputs = () if operator else tuple(map(",".join, target.inputs))
    return replace(explanation, inputs=inputs, arguments=arguments_as_written(request))


def _request(request: object, wishes: Mapping[str, Any]) -> ExplainRequest:
    """The request, or one of a target and wishes.

    Raises:
        UsageError: it is neither.
    """
    if isinstance(request, str):
        unknown = sorted(wishes.keys() - set(ExplainRequest.__struct_fields__))
        if unknown:
            hint = did_you_mean(unknown[0], ExplainRequest.__struct_fields__)
            raise UsageError(f"a request has no {unknown[0]!r}", where="kaoprof.explain", hint=hint)
        return ExplainRequest(target=request, **wishes)
    if not isinstance(request, ExplainRequest):
        hint = "name it, 'package.module:Class', since it is made at many sizes; kaoprof.profile(model, x) takes one"
        raise UsageError(f"takes no {type(request).__name__}", where="kaoprof.explain", hint=hint)
    if wishes:
        raise UsageError("stand in the request already", where=", ".join(wishes), hint="replace the request's own")
    return request


def arguments_as_written(request: ExplainRequest) -> tuple[str, ...]:
    """What the module is made with, in the words of the command line: `c`, `heads=4`, `bias=false`."""
    named = request.kwargs
    if is_operator(request.target):
        named = msgspec.to_builtins(request.options) | find_operator(request.target).own
    return (*map(_written, request.args), *(f"{name}={_written(value)}" for name, value in named.items()))


def _written(value: object) -> str:
    """`true`, `none`, `(2, 7, 7)`, `[c, 4*c]`; a text, such as the size `4*c`, stays as it is."""
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def find_target(request: ExplainRequest) -> Target:
    """The module that the request names, with its named sizes.

    Raises:
        UsageError: there is no such target, or something that it needs is missing.
    """
    if is_operator(request.target):
        _refuse_inputs(request)
        return operator_target(
            request.target,
            request.options,
            ndim=request.ndim,
            sizes=_known_sizes(request, ("b", "c", *SPATIAL_AXES[request.ndim])),
            mode=request.mode,
            dtype=request.dtype,
        )
    from kaoprof.networks.code_documents import find_document
    from kaoprof.networks.model_files import model_file

    if model_file(request.target) is None and (":" not in request.target or request.inputs):
        return _code_target(request) if ":" in request.target else _spec_target(request)
    return _code_spec_target(request, find_document(request.target, None, request.args, request.kwargs))


def _refuse_inputs(request: ExplainRequest) -> None:
    if request.inputs or request.args or request.kwargs:
        raise UsageError(
            f"{request.target} takes no input pattern or arguments",
            where="input",
            hint="these are for package.module:Class",
        )


def _known_sizes(request: ExplainRequest, names: Sequence[str]) -> Mapping[str, int]:
    for name in request.sizes:
        if name not in names:
            raise UsageError(f"{request.target} has no size {name!r}", where="at", hint=did_you_mean(name, names))
    return request.sizes


def _code_target(request: ExplainRequest) -> Target:
    if not request.allow_import:
        raise UsageError(
            f"{request.target!r} is not imported: importing runs its code",
            where=request.target,
            hint="if you trust it, add --allow-import",
        )
    patterns = [pattern.partition(":") for pattern in request.inputs]
    for _, _, dtype in patterns:
        one_of("dtype of an input", dtype or request.dtype, tuple(TORCH_DTYPES))
    return Target(
        factory=request.target,
        args=request.args,
        kwargs=dict(request.kwargs),
        inputs=tuple(parse_pattern(axes) for axes, _, _ in patterns),
        sizes=dict(request.sizes),
        mode=request.mode,
        dtype=request.dtype,
        dtypes=tuple(dtype or request.dtype for _, _, dtype in patterns),
        input_grad=request.input_grad,
    )


def _spec_target(request: ExplainRequest) -> Target:
    from kaoprof.networks import network_workload
    from kaoprof.specs import load_spec, shipped_specs

    names = [*OPERATORS, *(shipped.name for shipped in shipped_specs())]
    if request.target not in names and not Path(request.target).is_file():
        module, _, name = request.target.rpartition(".")
        is_code = all(map(str.isidentifier, (*module.split("."), name))) and name not in {"yaml", "yml"}
        known = f"{did_you_mean(request.target, names)}; code is written package.module:Class"
        hint = f"code is written {module}:{name}" if is_code else known
        raise UsageError(f"{request.target!r} is no operator, no spec and no code", where="target", hint=hint)
    document = load_spec(request.target)
    if document.kind == "code":
        return _code_spec_target(request, document)
    _refuse_inputs(request)
    workload = network_workload(document, dtype=request.dtype, mode=request.mode, input_grad=request.input_grad)
    target = workload_target(workload)
    sizes = target.sizes | dict(_known_sizes(request, tuple(target.sizes)))
    return replace(target, sizes=sizes)


def _code_spec_target(request: ExplainRequest, document: "Document") -> Target:
    """A spec that names code: shapes are the spec's, and dtypes where it says any; the user names the axes."""
    from kaoprof.networks import code_workload

    workload = code_workload(document, allow_import=request.allow_import, dtype=request.dtype, mode=request.mode)
    if not workload.inputs:
        workload, request = _with_own_inputs(workload, request)
    shapes = ", ".join("x".join(map(str, tensor.shape)) for tensor in workload.inputs)
    patterns = tuple(map(parse_pattern, request.inputs))
    if [len(pattern) for pattern in patterns] != [len(tensor.shape) for tensor in workload.inputs]:
        raise UsageError(
            f"the axes of its inputs ({shapes}) need names, one --input for each",
            where=request.target,
            hint='for example --input "b,n,64": a name for each size that may vary, a number for what stays',
        )
    sizes = _sizes_of(request, patterns, [tensor.shape for tensor in workload.inputs])
    dtypes = tuple(tensor.dtype for tensor in workload.inputs)
    return Target(
        factory=workload.factory,
        kwargs=dict(workload.kwargs),
        inputs=patterns,
        sizes=sizes | dict(request.sizes),
        mode=request.mode,
        dtype=request.dtype,
        dtypes=dtypes,
        input_grad=request.input_grad,
    )


def _with_own_inputs(workload: Workload, request: ExplainRequest) -> tuple[Workload, ExplainRequest]:
    """The workload on inputs as its model's config says, and the request with their axes: what is its batch is `b`."""
    from kaoprof.tape.own_inputs import with_own_inputs
    from kaoprof.workload.misfits import in_a_line

    try:
        few, more = with_own_inputs(workload, HINTS["b"]), with_own_inputs(workload, HINTS["b"] + 1)
    except KaoprofError as error:
        raise UsageError(error.message, where=request.target, hint=PATTERN) from error
    except Exception as error:
        named = next((value for value in (*request.args, *request.kwargs.values()) if isinstance(value, str)), None)
        hint = None if request.inputs or named is None else f"{named} is the name of a size only with inputs: {PATTERN}"
        raise UsageError(f"cannot be made: {in_a_line(error)}", where=request.target, hint=hint) from error
    shapes = [tensor.shape for tensor in few.inputs]
    if request.inputs:
        return few, request
    if len(few.inputs) != len(more.inputs) or few.inputs == more.inputs:
        raise UsageError(
            "no axis of its own inputs is its batch, so no size has a name",
            where=request.target,
            hint=PATTERN,
        )
    axes = [
        ",".join(str(size) if size == other else "b" for size, other in zip(shape, tensor.shape, strict=True))
        for shape, tensor in zip(shapes, more.inputs, strict=True)
    ]
    return few, replace(request, inputs=tuple(axes))


def _sizes_of(
    request: ExplainRequest, patterns: Sequence[tuple[str, ...]], shapes: Sequence[tuple[int, ...]]
) -> dict[str, int]:
    """The size of each name, as the spec has it."""
    pairs = [pair for pattern, shape in zip(patterns, shapes, strict=True) for pair in zip(pattern, shape, strict=True)]
    sizes = {axis: size for axis, size in pairs if axis.isidentifier()}
    for axis, size in pairs:
        if evaluate(axis, sizes) != size:
            raise UsageError(
                f"axis {axis!r} is {size} in the spec, but {evaluate(axis, sizes)} by --input",
                where=request.target,
                hint="give different sizes different names",
            )
    return sizes
