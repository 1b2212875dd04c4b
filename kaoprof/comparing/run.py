"""From a request to a record: closed forms, counts, prediction, measurement, in that order. Never prints."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from kaoprof.catalog import find_operator, operator_workload
from kaoprof.comparing.cases import Sizes, Widths, cases_of, spatial_grid
from kaoprof.comparing.own_code import OwnCode, own_workload, with_forms
from kaoprof.comparing.own_modules import own_modules, with_installed
from kaoprof.costs.arithmetic import FLOPS_PER_MAC
from kaoprof.dims import ceil_div
from kaoprof.errors import KaoprofError, MeasurementError, UndefinedError
from kaoprof.records.compare import Analytic, Case, Counted, Record, Row, element_bytes, with_variants
from kaoprof.records.measured import timestamp
from kaoprof.records.options import Options, checked_options
from kaoprof.records.own import OwnModule
from kaoprof.version import __version__
from kaoprof.workload.process import leaves_process_alone

if TYPE_CHECKING:
    from kaoprof.comparing.census import Census
    from kaoprof.measuring.messages import Whole
    from kaoprof.measuring.outlook import Ahead
    from kaoprof.measuring.plan import Measurement, Subject
    from kaoprof.measuring.run import ProgressCallback
    from kaoprof.workload.workload import Workload


@leaves_process_alone
def compare(
    *,
    h: Sizes = None,
    w: Widths = None,
    t: Sizes = None,
    n: Sizes = None,
    c: Sizes = 64,
    batch: Sizes = 1,
    heads: int = 1,
    operators: str | Iterable[str] | None = None,
    projection: str = "value",
    scale: str = "sqrt",
    dtype: str = "fp32",
    mode: str = "forward",
    options: Options | None = None,
    measured: bool = True,
    progress: "ProgressCallback | None" = None,
    with_: Any = (),
    layout: str = "",
    allow_import: bool = False,
) -> Record:
    """Attention operators side by side: closed form, counts, predicted and measured peak memory, latency.

    Args:
        h: height, or several; with it `w` (equal to `h` by default) and, for video, `t` frames.
        w: width; by default the height; `16:9` or `1.78h` follow it.
        t: frames.
        n: length, for one spatial axis; excludes the others.
        c: channels.
        batch: samples in the input.
        heads: attention heads.
        operators: names such as `kao_qkv`, `nonlocal:sdpa` or `window(window=8)`, or a group: paper (the default), h3,
            h2 or all.
        projection: none, value (the paper's count), qkv, qkvo, or published: what each operator's own paper has.
        scale: sqrt or none.
        dtype: fp64, fp32, tf32 (on CUDA: fp32 multiplied with fewer bits), bf16 or fp16.
        mode: forward, or train for forward and backward.
        options: device, budget, seed, baseline and how to measure.
        measured: whether anything is run; else all is counted, and peaks are predicted, also for a GPU that is absent.
        progress: called with what is being done.
        with_: modules of your own beside them, one or several: a module, a class or a function that makes one, or a
            text such as `my_pkg:Attention(64, heads=4)`; their closed forms are derived from their code.
        layout: how these take their input: `map` (b, c, h, w), `tokens` (b, h w, c) or `last` (b, h, w, c); by
            default the first of them in which they run.
        allow_import: whether code that a text names may be imported, which runs it.

    Returns:
        The record, one row per operator, implementation and grid cell. An interrupt (Ctrl-C) while measuring ends it
        early: the record then says so and holds what was measured.

    Raises:
        UsageError: sizes or words that make no sense, here or on this device.
        MeasurementError: the device is not there, or no measuring process can be started.
    """
    options = checked_options(options)
    given = with_ if isinstance(with_, list | tuple) else (with_,)
    own = own_modules(given, layout=layout, allow_import=allow_import)
    operators, own = with_installed(operators, own)
    check_baseline(options.baseline, own)
    cases = cases_of(
        spatial_grid(h, w, t, n), c=c, batch=batch, operators=operators, heads=heads, projection=projection,
        scale=scale, dtype=dtype, mode=mode, device=None, own=own,
    )  # fmt: skip
    cases = with_variants(cases, options.variants)
    if options.analytic:
        with OwnCode("cpu", options) as code:
            return blank_record(cases, options, code)
    from kaoprof.measuring.devices import check_wishes, find_device
    from kaoprof.measuring.run import unheard

    notify = progress or unheard
    absent = not measured and options.device.startswith("cuda")
    device = options.device if absent else find_device(options.device)
    check_wishes(device, dtype, options)
    with OwnCode(device, options) as code:
        record = count_rows(blank_record(cases, options, code), device, options, notify, code)
    return measure_rows(record, device, options, notify) if measured else with_own_kept(record)


def check_baseline(name: str, own: Sequence[OwnModule]) -> None:
    """Refuses a baseline that is neither an operator nor one of somebody's modules.

    Raises:
        UsageError: it is neither.
    """
    if name not in {module.name for module in own}:
        find_operator(name, where="baseline")


def blank_record(cases: Sequence[Case], options: Options, code: OwnCode) -> Record:
    """A row for every case, with its closed form and nothing else."""
    known = with_forms(cases, code)
    return Record(
        version=__version__,
        created=timestamp(),
        baseline=options.baseline,
        rows=tuple(known[case] if case.own else row_of(case) for case in cases),
    )


def row_of(case: Case) -> Row:
    """The row with its closed form; or, of an operator that has no meaning on so many axes, with why."""
    try:
        return Row(case=case, analytic=analytic(case))
    except UndefinedError as error:
        return Row(case=case, status="unsupported", detail=error.message)


def analytic(case: Case) -> Analytic:
    """The closed form's figures for one case.

    Raises:
        UndefinedError: the operator has no meaning on so many axes.
    """
    operator = find_operator(case.operator)
    cost = operator.cost(case.dims, case.options)
    order_time, order_memory = operator.orders(case.dims.axes, case.options)
    width = element_bytes(case)
    training = case.mode == "train"
    elements = (2 * case.b * case.c * case.dims.positions + cost.params) * (2 if training else 1)  # and their gradients
    return Analytic(
        order_time=order_time,
        order_memory=order_memory,
        params=cost.params,
        macs=cost.macs_trained if training else cost.macs,
        flops_all=None if training else cost.flops_all,
        map_bytes=case.b * cost.map_entries * width,
        compulsory_bytes=elements * width,
    )


def workload_of(case: Case, seed: int) -> "Workload":
    """What runs for a case."""
    if case.own is not None:
        return own_workload(case.own, case.dims, dtype=case.dtype, mode=case.mode, seed=seed)
    return operator_workload(case.operator, case.dims, case.options, dtype=case.dtype, mode=case.mode, seed=seed)


def count_rows(
    record: Record, device: str, options: Options, notify: "ProgressCallback", code: OwnCode | None = None
) -> Record:
    """The record with every row counted; a row that cannot be counted says why and keeps its closed form.

    Likewise one whose attention is forced to a backend that cannot serve it: it would not run. Somebody's `code` is
    counted in a process of its own.
    """
    import torch

    from kaoprof.comparing.census import count
    from kaoprof.measuring.plan import Progress
    from kaoprof.workload.attention_backend import UnservedError

    threads = options.threads_wanted or torch.get_num_threads()
    rows = []
    for done, row in enumerate(record.rows):
        case = replace(row.case, device=device)
        notify(Progress(label=f"{case.name} {case.dims}", step="counting", done=done, total=len(record.rows)))
        if row.status != "ok":
            rows.append(replace(row, case=case))
            continue
        try:
            if case.own is not None and code is not None:
                whole = code.count(workload_of(case, options.seed))
                rows.append(replace(row, case=case, counted=counted(whole, case)))
                continue
            with torch.random.fork_rng(devices=[]):  # the caller's random numbers stay as they are
                census = count(
                    workload_of(case, options.seed), device=device.partition(":")[0], threads=threads, sdpa=options.sdpa
                )
            rows.append(replace(row, case=case, counted=counted(census, case)))
        except UnservedError as error:
            rows.append(replace(row, case=case, status="unsupported", detail=str(error)))
        except (KaoprofError, RuntimeError, NotImplementedError) as error:
            rows.append(replace(row, case=case, status="error", detail=f"cannot be counted: {error}"))
    return replace(record, rows=tuple(rows))


def counted(census: "Census | Whole", case: Case) -> Counted:
    """The census per sample, as papers print it; FLOPs are rounded up, for some are of weights alone.

    Raises:
        KaoprofError: the count is not a multiple of the batch, so that "per sample" has no meaning.
    """
    per_batch = (census.macs, census.macs_fvcore or 0)
    if any(total % case.b for total in per_batch):
        raise KaoprofError(f"counts {per_batch} are not proportional to the batch of {case.b}")
    return Counted(
        macs=census.macs // case.b,
        flops_all=ceil_div(census.flops_all, case.b),
        macs_fvcore=None if census.macs_fvcore is None else census.macs_fvcore // case.b,
        peak_bytes_predicted=census.peak_bytes_predicted,
        uncounted=census.uncounted,
        unmodelled=census.unmodelled,
    )


def measure_rows(record: Record, device: str, options: Options, notify: "ProgressCallback") -> Record:
    """The record with every row measured, skipped or failed, each with its reason."""
    from kaoprof.measuring.run import run_session

    keys = {row.case: key for key, row in enumerate(record.rows)}
    cells = [
        [subject_of(row, keys[row.case], options.seed) for row in rows if row.status == "ok"]
        for rows in record.cells().values()
    ]
    outcome = run_session(cells, device, options, notify)
    return replace(
        record,
        rows=tuple(measured(row, outcome.measurements.get(keys[row.case])) for row in record.rows),
        environment=outcome.environment,
        protocol=outcome.protocol,
        interrupted=outcome.interrupted,
    )


def with_own_kept(record: Record) -> Record:
    """The record as it is kept: of somebody's modules what can be written down."""
    return replace(record, rows=tuple(measured(row, None) for row in record.rows))


def subject_of(row: Row, key: int, seed: int) -> "Subject":
    """What the session needs to know of a row that was counted."""
    from kaoprof.measuring.plan import Subject

    if row.counted is None:
        raise MeasurementError(f"{row.case.name} was not counted", hint="this is a fault of kaoprof")
    case = row.case
    params, macs = (row.analytic.params, row.analytic.macs) if row.analytic else (0, row.counted.macs)
    input_bytes = case.b * case.c * case.dims.positions * element_bytes(case)
    return Subject(
        key=key,
        label=f"{case.name} {case.dims}",
        workload=workload_of(case, seed),
        resident_bytes=input_bytes + params * element_bytes(case),
        predicted_bytes=row.counted.peak_bytes_predicted,
        floor_flops=FLOPS_PER_MAC * macs * case.b,
        variant=case.variant,
    )


def ahead_of(row: Row, *, timed: bool) -> "Ahead":
    """What is known of a row before it was counted, its arithmetic if that can be `timed`.

    The explicit form holds its coefficients twice.
    """
    from kaoprof.measuring.outlook import Ahead

    case, known = row.case, row.analytic
    maps = 2 if case.implementation == "matmul" else 0
    return Ahead(
        label=f"{case.name} {case.dims}",
        flops=FLOPS_PER_MAC * known.macs * case.b if known and timed else 0,
        needed_bytes=maps * (known.map_bytes or 0) if known else 0,
    )


def measured(row: Row, measurement: "Measurement | None") -> Row:
    """The row with what was measured of it; as it is, if it never came to that. What it said before stays said."""
    case = replace(row.case, own=row.case.own.kept) if row.case.own else row.case
    if measurement is None:
        return replace(row, case=case)
    seen = measurement.for_a_record()
    return replace(row, **seen | {"detail": seen["detail"] or row.detail}, case=case)
