"""The largest batch of whole models that fits into memory: predicted by dry runs, and the next one checked."""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from kaoprof.comparing.own_code import OwnCode
from kaoprof.errors import KaoprofError, UsageError
from kaoprof.measuring.devices import find_device
from kaoprof.measuring.plan import Progress
from kaoprof.measuring.run import ProgressCallback, unheard
from kaoprof.networks import override
from kaoprof.profiling.run import ModelOptions, workloads_of
from kaoprof.records.fit_models import BatchRecord, BatchRow
from kaoprof.records.measured import timestamp
from kaoprof.records.options import Options
from kaoprof.specs import Document
from kaoprof.units import format_bytes
from kaoprof.version import __version__
from kaoprof.workload.process import leaves_process_alone

MOST = 2**24  # samples: beyond it no input fits any machine
LOOKED_BEYOND = 3  # batches after the first that does not fit: none of them may fit again
STUBBORN = 2  # guesses in a row on the same side, after which the middle is tried
FURTHEST = 64  # times the largest batch that fits: no guess goes beyond

Need = Callable[[int], int | None]  # batch -> bytes; None where no number of 64 bits describes it


class BatchRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked: `memory` in bytes, and everything that stays.

    `sizes` are spatial sizes, None for the models' own; of the options device, threads and backend of attention count.
    """

    memory: int
    sizes: tuple[tuple[int, ...] | None, ...] = (None,)
    dtype: str = "fp32"
    mode: str = "forward"
    options: Options = msgspec.field(default_factory=Options)
    allow_import: bool = False

    def __post_init__(self) -> None:
        if self.memory < 1:
            raise UsageError(f"must be more than zero, not {self.memory}", where="memory")


@leaves_process_alone
def fit_models(
    documents: Mapping[str, Document], request: BatchRequest, notify: ProgressCallback = unheard
) -> BatchRecord:
    """The largest batch of each model, at each size, by exact search; a model that cannot be predicted says why.

    Raises:
        UsageError: the request is wrong.
    """
    kind, _, _ = request.options.device.partition(":")
    device = find_device("auto").partition(":")[0] if kind == "auto" else kind
    threads = request.options.threads_wanted or (_torch_threads() if device == "cpu" else 1)
    cases = [(spec, document, size) for size in request.sizes for spec, document in documents.items()]
    rows: list[BatchRow] = []
    interrupted = False
    with OwnCode("cpu", request.options) as code:
        try:
            for done, (spec, document, size) in enumerate(cases):
                notify(Progress(label=document.spec.name, step="searching", done=done, total=len(cases)))
                need = _need(document, size, request, code, device=device, threads=threads)
                rows.append(_row(BatchRow(model=document.spec.name, spec=spec, size=size), need, request.memory))
        except KeyboardInterrupt:
            interrupted = True
    return BatchRecord(
        version=__version__, created=timestamp(), memory=request.memory, dtype=request.dtype, mode=request.mode,
        device=device, threads=threads if device == "cpu" else None, rows=tuple(rows), interrupted=interrupted,
    )  # fmt: skip


def _torch_threads() -> int:
    import torch

    return torch.get_num_threads()


def _need(
    document: Document, size: tuple[int, ...] | None, request: BatchRequest, code: OwnCode, *, device: str, threads: int
) -> Need:
    """Bytes by batch, each asked once, in a process where code may do anything."""
    known: dict[int, int | None] = {}

    def need(batch: int) -> int | None:
        if batch not in known:
            asked = ModelOptions(batch=batch, size=size, dtype=request.dtype, mode=request.mode,
                                 allow_import=request.allow_import)  # fmt: skip
            (workload,) = workloads_of([override(document, batch=batch, size=size)], asked, request.options.seed)
            try:
                needed = code.needed(
                    workload, device=device, threads=threads, sdpa=request.options.sdpa, batch=batch, size=size
                )
                known[batch] = needed.resident + needed.peak
            except OverflowError:
                known[batch] = None
        return known[batch]

    return need


def _row(blank: BatchRow, need: Need, memory: int) -> BatchRow:
    try:
        largest = largest_batch(need, memory)
        following = None if largest >= MOST else largest + 1
        row = msgspec.structs.replace(
            blank, largest=largest or None, needed=need(largest) if largest else None, next_batch=following,
            next_needed=need(following) if following else None,
        )  # fmt: skip
    except KaoprofError as error:
        return msgspec.structs.replace(blank, status="error", detail=str(error))
    if following is None:
        return msgspec.structs.replace(row, status="endless", detail=f"every batch up to {MOST:,} fits")
    if not largest:
        shown = "more than can be said" if row.next_needed is None else format_bytes(row.next_needed)
        return msgspec.structs.replace(row, status="nothing", detail=f"one sample already needs {shown}")
    return row


def largest_batch(need: Need, memory: int, most: int = MOST) -> int:
    """The largest batch within the memory; 0 if not even one sample fits.

    Memory grows nearly in proportion, so a straight line through what is known guesses; where it guesses badly, the
    middle is taken. Just beyond the answer it is looked whether more fits again, as with another kernel.
    """
    bytes_of: dict[int, int] = {}

    def fits(batch: int) -> bool:
        wanted = need(batch)
        if wanted is not None:
            bytes_of[batch] = wanted
        return wanted is not None and wanted <= memory

    if not fits(1):
        return 0
    low, high, same_side, was_inside = 1, most + 1, 0, True
    while high - low > 1:
        guess = 2 if low == 1 else _on_a_line(bytes_of, memory)
        if same_side >= STUBBORN and high <= most:
            guess = (low + high) // 2
        guess = min(max(guess, low + 1), high - 1, FURTHEST * low)
        inside = fits(guess)
        same_side = same_side + 1 if inside is was_inside else 0
        was_inside = inside
        low, high = (guess, high) if inside else (low, guess)
        if high - low == 1 and (more := _again(fits, high, most)):
            low, high = more, most + 1
    return low


def _again(fits: Callable[[int], bool], high: int, most: int) -> int:
    """The largest of the next batches that fits although `high` does not; 0 if none does."""
    beyond = range(high + 1, min(high + LOOKED_BEYOND, most) + 1)
    return max((batch for batch in beyond if fits(batch)), default=0)


def _on_a_line(bytes_of: Mapping[int, int], memory: int) -> int:
    """Where a line through the two batches whose needs are nearest to the memory meets it."""
    nearest: Sequence[int] = sorted(sorted(bytes_of, key=lambda batch: abs(bytes_of[batch] - memory))[:2])
    first, second = nearest
    slope = (bytes_of[second] - bytes_of[first]) // (second - first)
    return second + 1 if slope <= 0 else first + (memory - bytes_of[first]) // slope
