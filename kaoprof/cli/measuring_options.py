"""The options of how to measure, once: commands take them as one argument, and users type them one by one."""

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeVar, get_type_hints

import typer

from kaoprof.cli import options as opt

if TYPE_CHECKING:
    from kaoprof.records.options import Options

SHARED = Annotated[str, typer.Option(metavar="TIME", help="For measuring, shared by all cells; starts beside it.")]
Command = TypeVar("Command", bound=Callable[..., Any])


class Measuring(NamedTuple):
    """What was typed; one field for each option, in the order in which help shows them."""

    budget: opt.Budget = "10s"
    precision: opt.Precision = None
    samples: opt.Samples = None
    timeout: opt.Timeout = "60s"
    threads: opt.Threads = None
    affinity: opt.Affinity = None
    cache: opt.Cache = "auto"
    sdpa: opt.Sdpa = "auto"
    compile_: opt.Compile = False
    graph: opt.Graph = False
    seed: opt.Seed = 0
    force_run: opt.ForceRun = False

    def options(self, **others: Any) -> "Options":
        """The options of a run; `others` are those that only some commands have.

        Raises:
            UsageError: a word that makes no sense.
        """
        from kaoprof.comparing.cases import parse_cores
        from kaoprof.records.options import Options
        from kaoprof.units import parse_percent, parse_seconds

        return Options(
            budget_s=parse_seconds(self.budget, where="--budget"), samples=self.samples,
            precision=parse_percent(self.precision, where="--precision") if self.precision else None,
            timeout_s=parse_seconds(self.timeout, where="--timeout"), threads=self.threads,
            affinity=parse_cores(self.affinity), cache=self.cache, sdpa=self.sdpa, compile=self.compile_,
            graph=self.graph, seed=self.seed, force_run=self.force_run, **others,
        )  # fmt: skip


AS_USUAL = Measuring()


def measured(*names: str, budget: Any = opt.Budget, default: str = "10s") -> Callable[[Command], Command]:
    """A command that takes `measuring` becomes one with an option for each field of it, or for those `names` only.

    Args:
        names: of the fields; all by default.
        budget: how `--budget` is explained.
        default: and what it is.
    """

    def decorated(command: Command) -> Command:
        hints = get_type_hints(Measuring, include_extras=True) | {"budget": budget}
        fields = [name for name in Measuring._fields if not names or name in names]
        options = [
            inspect.Parameter(
                name, inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=hints[name],
                default=default if name == "budget" else Measuring._field_defaults[name],
            )
            for name in fields
        ]  # fmt: skip
        parameters: list[inspect.Parameter] = []
        for parameter in inspect.signature(command).parameters.values():
            parameters += options if parameter.name == "measuring" else [parameter]

        @functools.wraps(command)
        def called(**typed: Any) -> Any:
            measuring = Measuring(**{name: typed.pop(name) for name in fields})
            return command(measuring=measuring, **typed)

        called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        called.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return called  # type: ignore[return-value]

    return decorated
