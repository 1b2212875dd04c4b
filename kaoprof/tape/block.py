"""`with kaoprof.count() as counts:`: counts whatever really runs inside, as it runs. Nothing else is run or changed.

What runs in other threads is not seen: it is noticed, and the block is then refused at its end.
"""

import threading
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from kaoprof.counting.installed_rules import load_installed_rules
from kaoprof.counting.rules import counts_of
from kaoprof.errors import KaoprofError, UsageError
from kaoprof.records.profile import PassCount
from kaoprof.tape.counted import Counts, Derived, counts_from, derived
from kaoprof.tape.entries import FORWARD, Event, Operation, Recorded, Tape
from kaoprof.tape.keeping import compiler_aside, process_kept
from kaoprof.tape.layers import LayerCount, count_operation
from kaoprof.tape.open_trail import OpenTrail
from kaoprof.tape.peak import predict_peak
from kaoprof.tape.recorder import Recorder
from kaoprof.tape.recording import REAL
from kaoprof.torch_internals import TorchDispatchMode
from kaoprof.workload.operation_names import name_of
from kaoprof.workload.patching import replaced
from kaoprof.workload.turns import is_aside, turn_of_a_block
from kaoprof.workload.workload import FLOAT_DTYPES

if TYPE_CHECKING:
    import pandas as pd

OPTIMIZER = "optimizer"  # the pass of what an optimizer's step runs
BLOCK = "block"
AT_ONCE = 4096  # events that are counted together
MOST_KEPT = 200_000  # events, of which the peak is still predicted: a few hundred MB
NAMES = {getattr(torch, theirs): ours for ours, theirs in FLOAT_DTYPES.items() if ours != "tf32"}


class Counting:
    """What `with kaoprof.count() as counts:` gives: counts that grow as the block runs, and are complete at its end.

    Raises:
        KaoprofError: on entering, another thread counts; on leaving, something was computed in another thread.
    """

    def __init__(self) -> None:
        self._trail = OpenTrail(BLOCK)
        self._recorder = _BlockRecorder(self._trail, self)
        self._stack = ExitStack()
        self._ledger = _Ledger(self._trail)
        self._result: Counts | None = None
        self._thread: int | None = None

    def __enter__(self) -> Self:
        if self._thread is not None:
            raise UsageError("counts one block of code", where="kaoprof.count()", hint="call it again for another")
        load_installed_rules()
        self._thread = threading.get_ident()
        with ExitStack() as stack:
            stack.enter_context(turn_of_a_block())
            stack.enter_context(self._trail.followed())
            stack.enter_context(replaced(threading.Thread, "start", self._starting(threading.Thread.start)))
            stack.enter_context(compiler_aside())
            for hook, act in (
                (register_optimizer_step_pre_hook, self._trail.enter_optimizer),
                (register_optimizer_step_post_hook, self._trail.leave_optimizer),
            ):
                stack.callback(hook(_for_optimizers(act)).remove)
            stack.enter_context(self._recorder)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        self._stack.close()
        self._result = self._so_far()
        if error is None and self._trail.elsewhere:
            names = ", ".join(sorted(self._trail.elsewhere))
            hint = "count in the thread that computes: `with kaoprof.count()` inside of it"
            raise KaoprofError(f"{names} ran in another thread, which is not counted", hint=hint)

    @property
    def result(self) -> Counts:
        """The counts as a record; while the block runs, of what has run."""
        return self._result or self._so_far()

    @property
    def macs(self) -> int:
        """Multiply-adds of contractions, over all that ran."""
        return self.result.macs

    @property
    def flops(self) -> int:
        """All arithmetic, with 1 MAC = 2 FLOPs."""
        return self.result.flops

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.result, name)

    def __str__(self) -> str:
        return str(self.result)

    def __repr__(self) -> str:
        return repr(self.result)

    def _repr_html_(self) -> str:
        return self.result._repr_html_()

    def to_pandas(self) -> "pd.DataFrame":
        """See `Counts.to_pandas`."""
        return self.result.to_pandas()

    def _so_far(self) -> Counts:
        with process_kept(None):
            self._ledger.take(self._recorder.events)
            return self._ledger.counts()

    def _starting(self, start: Callable[[threading.Thread], None]) -> Callable[[threading.Thread], None]:
        """Starts threads as ever; what those compute that this block starts is noticed."""

        def started(thread: threading.Thread) -> None:
            if threading.get_ident() == self._thread:
                run = thread.run

                def watched() -> None:
                    with _Elsewhere(self._trail.elsewhere):
                        run()

                thread.run = watched  # type: ignore[method-assign]
            start(thread)

        return started


def _for_optimizers(act: Callable[[object], None]) -> Callable[..., None]:
    def hook(optimizer: object, _args: object, _kwargs: object) -> None:
        if not is_aside():
            act(optimizer)

    return hook


class _BlockRecorder(Recorder):
    """Records what really runs; hands on what was recorded before there is much of it."""

    def __init__(self, trail: OpenTrail, counting: Counting) -> None:
        super().__init__(trail, None)
        self._counting = counting

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if is_aside():
            return func(*args, **(kwargs or {}))
        if len(self.events) >= AT_ONCE:
            self._counting._ledger.take(self.events)  # noqa: SLF001 - they are one thing in two parts
        return super().__torch_dispatch__(func, types, args, kwargs)


class _Elsewhere(TorchDispatchMode):
    """While active in a thread, notes which operations compute something there."""

    def __init__(self, noticed: set[str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._noticed = noticed

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        macs, others = counts_of(func, args, kwargs or {}, out)
        if macs or others is None or others:
            self._noticed.add(name_of(func))
        return out


class _Ledger:
    """What was counted so far, by module and by pass; and the events themselves, as long as they are few."""

    def __init__(self, trail: OpenTrail) -> None:
        self._trail = trail
        self._macs: Counter[str] = Counter()
        self._elementwise: Counter[str] = Counter()
        self._uncounted: dict[str, Counter[str]] = {}
        self._passes: dict[str, Counter[str]] = {}
        self._dtypes: Counter[str] = Counter()
        self._kept: list[Event] | None = []

    def take(self, events: list[Event]) -> None:
        """Counts the events, and empties their list."""
        for event in events:
            if isinstance(event, Operation):
                self._count(event)
        if self._kept is not None:
            self._kept += events
            if len(self._kept) > MOST_KEPT:
                self._kept = None
        events.clear()

    def _count(self, operation: Operation) -> None:
        layer = operation.layer
        macs, others = count_operation(operation)
        self._macs[layer] += macs
        self._elementwise[layer] += others or 0
        if others is None:
            self._uncounted.setdefault(layer, Counter())[name_of(operation.func)] += 1
        stepping = operation.phase == FORWARD and layer in self._trail.optimizers
        counts = self._passes.setdefault(OPTIMIZER if stepping else operation.phase, Counter())
        counts["macs"] += macs
        counts["elementwise"] += others or 0
        if macs and isinstance(operation.out, Recorded):
            self._dtypes[NAMES.get(operation.out.dtype, "fp32")] += macs

    def counts(self) -> Counts:
        """The counts as they stand."""
        facts = self._trail.layers()
        holders = {path.rpartition(".")[0] for path in facts if path}
        layers = {
            path: LayerCount(
                type=known.type,
                output_shape=known.output_shape,
                macs=self._macs[path],
                elementwise=self._elementwise[path],
                params=known.params,
                norm=known.norm,
                uncounted=dict(self._uncounted.get(path, {})),
                called=known.called,
                leaf=path not in holders,
            )
            for path, known in facts.items()
        }
        passes = {
            name: PassCount(macs=count["macs"], flops_all=2 * count["macs"] + count["elementwise"])
            for name, count in self._passes.items()
        }
        peak = Derived(unknown=f"more than {MOST_KEPT:,} operations and tensors")
        if self._kept is not None:
            tape = Tape(list(self._kept), facts, REAL, 0, 0, hides_encoders=False, recurrent=False, projected=False)
            threads = torch.get_num_threads()
            peak = derived(lambda: predict_peak(tape, device="cpu", threads=threads))
        return counts_from(
            BLOCK,
            layers,
            peak,
            passes=passes,
            recorded=REAL,
            dtype=max(self._dtypes, key=self._dtypes.__getitem__, default="fp32"),
            mode="forward" if set(passes) <= {FORWARD} else "train",
        )
