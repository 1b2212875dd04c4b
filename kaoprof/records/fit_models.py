"""What `fit` leaves behind of whole models: the largest batch of each that fits into memory. Raw, in bytes."""

import msgspec

from kaoprof.records import fields
from kaoprof.records.measured import Head

KIND = "fit-models"


class BatchRow(msgspec.Struct, frozen=True, kw_only=True):
    """One model on inputs of one size.

    Args:
        model: its name; `spec` as it was named.
        size: the spatial sizes that were asked for; None: the model's own.
        status: `ok`; `nothing`: not even one sample fits; `endless`: no batch in sight does not fit; `error`.
        detail: explains any status that is not `ok`.
        largest: the batch; with `needed` bytes, of inputs, parameters, buffers and the predicted peak above them.
        next_batch: the first that does not fit, predicted as well; with `next_needed` bytes, None if beyond 64 bits.
    """

    model: str
    spec: str
    size: fields.Sizes | None = None
    status: str = "ok"
    detail: str = ""
    largest: fields.Count | None = None
    needed: fields.Unbounded | None = None
    next_batch: fields.Count | None = None
    next_needed: fields.Unbounded | None = None


class BatchRecord(Head, frozen=True, kw_only=True):
    """One run: how many samples fit into `memory` bytes on `device`, which need not be there."""

    kind: str = KIND
    memory: fields.Positive
    dtype: fields.Dtype
    mode: fields.Mode
    device: str
    threads: fields.Positive | None = None
    rows: tuple[BatchRow, ...]
    interrupted: bool = False
