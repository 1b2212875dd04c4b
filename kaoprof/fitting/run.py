"""From a request to a record: the largest sizes within a budget, and who is cheaper from where on. Never prints."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from types import MappingProxyType

import msgspec
from msgspec.structs import replace

from kaoprof.catalog import chosen_operators, find_operator, listed
from kaoprof.comparing.own_modules import with_installed
from kaoprof.dims import IMPLEMENTATIONS, AttentionOptions, one_of
from kaoprof.errors import KaoprofError, MeasurementError, UndefinedError, UsageError
from kaoprof.findings.race import race_row
from kaoprof.fitting.crossing import cross
from kaoprof.fitting.exact import TIED_TO_H, Budget, Setting, fit
from kaoprof.fitting.own import OwnFit, own_fits
from kaoprof.fitting.stopwatch import Contender, Stopwatch
from kaoprof.fitting.timed import fit_row, race, time_fits, timed_ratios
from kaoprof.measuring.devices import check_wishes, find_device, load_average
from kaoprof.measuring.plan import Progress
from kaoprof.measuring.run import ProgressCallback, open_session, unheard
from kaoprof.records.aspect import SQUARE, Aspect
from kaoprof.records.fit import Conditions, CrossRecord, CrossRow, FitRecord, FitRow, Frame
from kaoprof.records.measured import timestamp
from kaoprof.records.options import Options
from kaoprof.records.own import OWN, OwnModule
from kaoprof.units import check_bare_bytes, parse_bytes, parse_count, parse_seconds
from kaoprof.version import __version__
from kaoprof.workload.process import leaves_process_alone

LONGEST_CALL = 20.0  # times the limit: a size whose call takes longer says nothing about the limit
LEAST_TIMEOUT_S = 2.0  # a first call may be slow for reasons of its own
PAIR = 2
BATCH = "b"
LOOKED_AT = (14, 16, 28, 32, 56, 64, 112, 128)  # sizes at which somebody's module is looked at until it runs
NONE: Mapping[str, OwnFit] = MappingProxyType({})
AMOUNTS: dict[str, Callable[..., float]] = {"memory": parse_bytes, "macs": parse_count, "time": parse_seconds}


class FitRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What varies, and everything that stays.

    Args:
        axis: `h`, `w`, `t`, `n`, `c` or `b`.
        sizes: the other axes; `b` is 1 and `w` follows `h` if they are not given.
        told: heads, projection and scale of the operators.
        mode: `forward` or `train`.
        dtype: of inputs and parameters.
        options: device, threads and how to measure.
        own: somebody's modules beside the operators.
        aspect: how `w` follows `h`.
        at: one size more, by axis, of which it is asked whether it fits.
    """

    axis: str
    sizes: Mapping[str, int]
    told: AttentionOptions = msgspec.field(default_factory=AttentionOptions)
    mode: str = "forward"
    dtype: str = "fp32"
    options: Options = msgspec.field(default_factory=Options)
    own: tuple[OwnModule, ...] = ()
    aspect: Aspect = SQUARE
    at: Mapping[str, int] = MappingProxyType({})

    def __post_init__(self) -> None:
        for name, size in (*self.sizes.items(), *self.at.items()):
            if size < 1:
                raise UsageError(f"must be at least 1, not {size}", where=name)
        if self.at and self.axis == BATCH:
            raise UsageError("is about a size, and here the size is given: leave it out", where="at")
        setting = self.setting(None)
        dims = setting.dims(self.axis, setting.step(self.axis))
        if dims.c % self.told.heads:
            raise UsageError(f"{dims.c} channels cannot be split into {self.told.heads} heads", where="heads")

    def setting(self, device: str | None, beside: Mapping[str, OwnFit] = NONE) -> Setting:
        """For predictions on `device`; for closed forms, which know none, on whichever. `beside` are `own`, ready."""
        setting = Setting(
            sizes=self.sizes, options=self.told, mode=self.mode, dtype=self.dtype, beside=beside, aspect=self.aspect
        )
        if device is None:
            return setting
        return replace(setting, device=device.partition(":")[0], threads=self.threads(device) or 1,
                       sdpa=self.options.sdpa)  # fmt: skip

    def threads(self, device: str) -> int | None:
        """Of CPU kernels; None elsewhere."""
        if device != "cpu":
            return None
        import torch

        return self.options.threads or torch.get_num_threads()

    def conditions(self, device: str | None) -> Conditions:
        """For the record."""
        return Conditions(
            axis=self.axis, sizes={"b": 1, **self.sizes}, heads=self.told.heads, projection=self.told.projection,
            scale=self.told.scale, dtype=self.dtype, mode=self.mode, device=device,
            threads=self.threads(device) if device else None, aspect=self.tie,
        )  # fmt: skip

    @property
    def tie(self) -> str:
        """How a width that is not given follows the height; empty where they are the same."""
        follows = TIED_TO_H not in self.sizes and "h" in {*self.sizes, self.axis}
        return self.aspect.text if follows and self.aspect.ratio != 1 else ""

    def frame_sizes(self) -> dict[str, int]:
        """Every axis of the size that is asked about but the batch, which is then solved for.

        Raises:
            UsageError: it is none that the operators could take.
        """
        known = {name: size for name, size in self.sizes.items() if name not in self.at and name != BATCH}
        if "h" in self.at:
            known.pop(TIED_TO_H, None)
        dims = replace(self.setting(None), sizes={**known, **self.at}).dims(BATCH, 1)
        return {"c": dims.c, **dict(zip(dims.axes, dims.spatial, strict=True))}


def _check_request(request: object) -> None:
    if not isinstance(request, FitRequest):
        hint = "kaoprof.FitRequest(axis='h', sizes={'c': 64}) says what varies"
        raise UsageError(f"takes a request, not a {type(request).__name__}", where="kaoprof.fit", hint=hint)


@leaves_process_alone
def run_fit(
    request: FitRequest,
    budget: str,
    amount: float | str,
    operators: str | Sequence[str] | None = None,
    notify: ProgressCallback = unheard,
) -> FitRecord:
    """The largest size of each operator within the budget: `memory` in bytes, `macs`, or `time` in seconds.

    The amount may be a text with its unit: `24GiB`, `1G`, `10ms`.

    Raises:
        UsageError: the request is wrong, or so few bytes that GiB must be meant.
        MeasurementError: the device is not there, or nothing can be measured.
    """
    _check_request(request)
    one_of("budget", budget, tuple(AMOUNTS))
    if budget == "time" and request.at:
        raise UsageError("goes with memory or MACs: a time is measured at sizes around the limit", where="at")
    if isinstance(amount, str):
        amount = AMOUNTS[budget](amount, where=budget)
    elif budget == "memory":
        check_bare_bytes(amount, where=budget)
    known, own = with_installed(operators, request.own)
    pairs = [] if own and known == [] else chosen_operators(known)
    pairs += [(module.name, OWN) for module in own]
    with _beside(request, own) as beside:
        if budget == "time":
            return _fit_time(request, amount, pairs, beside, notify)
        return _fit_amount(request, budget, amount, pairs, beside, notify)


def _beside(request: FitRequest, own: Sequence[OwnModule]) -> AbstractContextManager[Mapping[str, OwnFit]]:
    """Somebody's modules, ready; looked at first at sizes at which most run."""
    if not own:
        return nullcontext(NONE)
    setting = request.setting(None)
    sizes = [setting.dims(request.axis, size) for size in LOOKED_AT]
    return own_fits(own, sizes, request.options, device="cpu", dtype=request.dtype, mode=request.mode)


def _fit_amount(
    request: FitRequest,
    budget: str,
    amount: float,
    pairs: Sequence[tuple[str, str]],
    beside: Mapping[str, OwnFit],
    notify: ProgressCallback,
) -> FitRecord:
    """By closed forms, or by predicted memory."""
    device = _predicted_device(request) if budget == "memory" else None
    setting = request.setting(device, beside)
    chosen = pairs if budget == "memory" else [(name, None) for name in dict.fromkeys(name for name, _ in pairs)]
    limit = Budget(kind=budget, amount=int(amount))
    rows, at = [], []
    frame = request.frame_sizes() if request.at else {}
    for done, (operator, implementation) in enumerate(chosen):
        notify(Progress(label=operator, step="searching", done=done, total=len(chosen)))
        rows.append(_fit_exactly(operator, implementation, request.axis, limit, setting))
        if frame:
            at.append(_fit_exactly(operator, implementation, BATCH, limit, replace(setting, sizes=frame)))
    return FitRecord(
        version=__version__, created=timestamp(), budget=budget, amount=limit.amount,
        conditions=request.conditions(device), rows=tuple(rows),
        frame=Frame(sizes=frame, rows=tuple(at)) if frame else None,
    )  # fmt: skip


def _predicted_device(request: FitRequest) -> str:
    """Memory can be predicted for a device that is not there."""
    kind, _, _ = request.options.device.partition(":")
    return find_device("auto").partition(":")[0] if kind == "auto" else kind


def _fit_exactly(operator: str, implementation: str | None, axis: str, budget: Budget, setting: Setting) -> FitRow:
    try:
        return fit(operator, implementation, axis, budget, setting)
    except UndefinedError as error:
        return FitRow(operator=operator, implementation=implementation, status="error", detail=error.message)
    except UsageError:
        raise
    except KaoprofError as error:
        return FitRow(operator=operator, implementation=implementation, status="error", detail=str(error))


def _stopwatch(
    request: FitRequest, device: str, timeout_s: float, beside: Mapping[str, OwnFit], notify: ProgressCallback
) -> Stopwatch:
    check_wishes(device, request.dtype, request.options)
    session = open_session(device, replace(request.options, timeout_s=timeout_s), notify)
    setting = request.setting(device, beside)
    return Stopwatch(axis=request.axis, setting=setting, session=session, load_before=load_average())


def _contenders(pairs: Sequence[tuple[str, str]]) -> list[Contender]:
    return [Contender(operator=operator, implementation=implementation) for operator, implementation in pairs]


def _fit_time(
    request: FitRequest,
    limit_s: float,
    pairs: Sequence[tuple[str, str]],
    beside: Mapping[str, OwnFit],
    notify: ProgressCallback,
) -> FitRecord:
    device = find_device(request.options.device)
    contenders = _contenders(pairs)
    timeout_s = min(request.options.timeout_s, max(LONGEST_CALL * limit_s, LEAST_TIMEOUT_S))
    with _stopwatch(request, device, timeout_s, beside, notify) as watch:
        time_fits(contenders, limit_s, watch, request.options.budget_s)
    return FitRecord(
        version=__version__, created=timestamp(), budget="time", amount=limit_s, conditions=request.conditions(device),
        rows=tuple(fit_row(contender, limit_s, watch) for contender in contenders), environment=watch.environment,
        interrupted=watch.interrupted,
    )  # fmt: skip


@leaves_process_alone
def run_cross(
    request: FitRequest, names: str | Sequence[str], *, measured: bool = False, notify: ProgressCallback = unheard
) -> CrossRecord:
    """From which size on one of two operators is cheaper: in MACs and memory exactly, in time if it is `measured`.

    Raises:
        UsageError: there are not two different operators, or the request is wrong.
        MeasurementError: the device is not there, or nothing can be measured.
    """
    _check_request(request)
    names = listed(names)
    _, own = with_installed([name.partition(":")[0] for name in names], request.own)
    own = tuple(module for module in own if module.name in {name.partition(":")[0] for name in names})
    first, second = two_names(names, own)
    with _beside(request, own) as beside:
        return _crossed(request, first, second, beside, measured=measured, notify=notify)


def _crossed(
    request: FitRequest,
    first: str,
    second: str,
    beside: Mapping[str, OwnFit],
    *,
    measured: bool,
    notify: ProgressCallback,
) -> CrossRecord:
    """The answers to all questions, one by one."""
    device = find_device(request.options.device) if measured else _predicted_device(request)
    setting = request.setting(device, beside)
    operators = first.partition(":")[0], second.partition(":")[0]
    questions = [("macs", *operators), *(("memory", *pair) for pair in _pairs(first, second, beside))]
    if operators[0] == operators[1]:
        questions = questions[1:]
    rows = []
    for done, (quantity, left, right) in enumerate(questions):
        notify(Progress(label=f"{left} and {right}", step=quantity, done=done, total=len(questions)))
        rows.append(_cross_exactly(left, right, quantity, request, setting))
    record = CrossRecord(
        version=__version__, created=timestamp(), conditions=request.conditions(device), rows=tuple(rows)
    )
    return _with_race(record, request, (first, second), device, beside, notify) if measured else record


def two_names(names: Sequence[str], own: Sequence[OwnModule] = ()) -> tuple[str, str]:
    """The two operators to compare.

    Raises:
        UsageError: there are not two, one is unknown, or both are the same.
    """
    if len(names) != PAIR:
        raise UsageError(f"needs two operators, not {len(names)}", where="cross", hint="for example nonlocal,kao_kv")
    for name in names:
        if name.partition(":")[0] not in {module.name for module in own}:
            find_operator(name.partition(":")[0], where="cross")
            chosen_operators([name])
    if names[0] == names[1]:
        raise UsageError("needs two different operators", where="cross", hint="for example nonlocal,kao_kv")
    return names[0], names[1]


def _pairs(first: str, second: str, beside: Mapping[str, OwnFit]) -> list[tuple[str, str]]:
    """Which implementations are compared: the same of both, where a name leaves it open that of the other.

    An operator without it stands by its first one.
    """
    named = [name.partition(":")[2] for name in (first, second) if ":" in name][:1]
    known = [_implementations(name.partition(":")[0], beside) for name in (first, second)]
    wanted = named or [word for word in IMPLEMENTATIONS if any(word in words for words in known)]
    return list(dict.fromkeys((_with(first, known[0], word), _with(second, known[1], word)) for word in wanted))


def _implementations(operator: str, beside: Mapping[str, OwnFit]) -> tuple[str, ...]:
    return (OWN,) if operator in beside else find_operator(operator).implementations


def _with(name: str, known: Sequence[str], implementation: str) -> str:
    if ":" in name:
        return name
    return f"{name}:{implementation if implementation in known else known[0]}"


def _cross_exactly(first: str, second: str, quantity: str, request: FitRequest, setting: Setting) -> CrossRow:
    try:
        return cross(first, second, quantity=quantity, axis=request.axis, setting=setting)
    except UsageError:
        raise
    except KaoprofError as error:
        return CrossRow(first=first, second=second, quantity=quantity, status="error", detail=str(error))


def _with_race(
    record: CrossRecord,
    request: FitRequest,
    names: tuple[str, str],
    device: str,
    beside: Mapping[str, OwnFit],
    notify: ProgressCallback,
) -> CrossRecord:
    teams = [
        _contenders([(name, OWN)] if name in beside else chosen_operators([name]))
        for name in (name.removesuffix(f":{OWN}") for name in names)
    ]
    watch = _stopwatch(request, device, request.options.timeout_s, beside, notify)
    failure = None
    try:
        with watch:
            race(teams[0], teams[1], watch, request.options.budget_s)
    except MeasurementError as error:  # what is exact is known already
        failure = str(error)
    row = race_row(*names, request.axis, timed_ratios(teams[0], teams[1], watch))
    if failure is not None and not row.ratios:
        row = replace(row, status="error", detail=failure)
    return replace(record, rows=(*record.rows, row), environment=watch.environment, interrupted=watch.interrupted)
