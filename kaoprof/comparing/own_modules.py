"""What `--with` names, and what a program hands over instead: as modules that a record can name."""

import atexit
import os
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from kaoprof.catalog import GROUPS, OPERATORS, is_operator, listed
from kaoprof.dims import LAYOUTS, one_of
from kaoprof.errors import UsageError
from kaoprof.records.own import OwnModule
from kaoprof.workload.call_text import parse_named, written

Given = Any  # a text, a path of a spec, a class or a function that makes a module, or a module
GROUP = "kaoprof.operators"  # of entry points
ALLOW = "if you trust it, add --allow-import"


def own_modules(given: Sequence[Given], *, layout: str = "", allow_import: bool = False) -> tuple[OwnModule, ...]:
    """The modules that are named or handed over; nothing is imported yet.

    Args:
        given: `my_pkg:Attention(64, heads=4)`, `mine=my_pkg:make`, a spec of code, a class, a function or a module.
        layout: how all of them take their input; found out by default.
        allow_import: whether code that is only named may be imported, which runs it.

    Raises:
        UsageError: importing is not allowed, a name is taken, or something names no module.
    """
    if layout:
        one_of("layout", layout, tuple(LAYOUTS))
    modules = [own_module_of(value, layout, allow_import=allow_import) for value in given]
    names = [module.name for module in modules]
    for module in modules:
        if module.name in OPERATORS:
            message = f"{module.name} is the name of an operator of kaoprof"
            raise UsageError(message, where="with", hint=f"give it another: --with 'mine={module.written}'")
        if names.count(module.name) > 1:
            message = f"several are called {module.name}"
            raise UsageError(message, where="with", hint=f"give each a name: --with 'mine={module.written}'")
    return tuple(modules)


def own_module_of(value: Given, layout: str, *, allow_import: bool) -> OwnModule:
    """One of them.

    Raises:
        UsageError: as `own_modules`.
    """
    if isinstance(value, OwnModule):
        return value
    if isinstance(value, str | Path):
        module = _named(value, layout)
        if not allow_import:
            raise UsageError(f"{module.written} is not imported: importing runs its code", where="with", hint=ALLOW)
        return module
    if hasattr(value, "forward") and hasattr(value, "state_dict") and not isinstance(value, type):
        kind = type(value)
        return OwnModule(name=kind.__name__, code=_importable(kind), layout=layout, saved=_saved(value))
    if callable(value):
        return OwnModule(name=getattr(value, "__name__", "own"), code=_importable(value), layout=layout)
    hint = "give a text such as 'my_pkg:Attention(64)', a class, a function that makes a module, or a module"
    raise UsageError(f"{type(value).__name__} is no module", where="with", hint=hint)


def _named(text: str | Path, layout: str) -> OwnModule:
    from kaoprof.specs.shelf import SUFFIXES

    if isinstance(text, Path) or (text.endswith(SUFFIXES) and ":" not in text):
        return from_spec(text, layout)
    name, code, arguments = parse_named(text)
    return OwnModule(name=name, code=code, arguments=arguments, layout=layout)


def from_spec(path: str | Path, layout: str) -> OwnModule:
    """The module of a spec that names code and leaves its sizes to the comparison.

    Raises:
        UsageError: the spec is of another kind, or says sizes.
    """
    from kaoprof.specs import load_spec
    from kaoprof.specs.code import input_tensors
    from kaoprof.specs.documents import CodeSpec

    document = load_spec(path)
    spec = document.spec
    if not isinstance(spec, CodeSpec):
        raise UsageError(f"describes a {document.kind}, not a module of code", where=str(path), hint="name a module:")
    if input_tensors(spec):
        hint = "leave inputs out, or write [x, h, w]: x is the input of the comparison"
        raise UsageError("says the shapes of its inputs", where=document.places.where("inputs"), hint=hint)
    return OwnModule(
        name=spec.name, code=spec.module, arguments=written(spec.args, spec.kwargs), call=call_of(spec.inputs),
        layout=layout or spec.layout or "",
    )  # fmt: skip


def call_of(inputs: Any) -> str:
    """`[x, h, w]` and `{x: x, H: h}` as the arguments of a call; other values stay what they are."""

    def text(value: Any) -> str:
        return value if isinstance(value, str) else repr(value)

    if isinstance(inputs, dict):
        return ", ".join(f"{name}={text(value)}" for name, value in inputs.items())
    return ", ".join(map(text, inputs))


def _importable(made: Any) -> str:
    """`package.module:Name`, by which another process finds a class or a function.

    Raises:
        UsageError: it cannot.
    """
    module, name = getattr(made, "__module__", None), getattr(made, "__qualname__", "")
    if module in {None, "__main__"} or "<" in name or not name:
        message = f"{name or made!r} cannot be imported by the process that measures"
        raise UsageError(message, where="with", hint="put it at the top of a file of its own, and import it from there")
    return f"{module}:{name}"


def _saved(module: Any) -> str:
    """The file to which a module was saved, for as long as this process lives.

    Raises:
        UsageError: it cannot be saved.
    """
    import torch

    handle, file = tempfile.mkstemp(suffix=".pt", prefix="kaoprof-")
    os.close(handle)
    atexit.register(Path(file).unlink, missing_ok=True)
    try:
        torch.save(module, file)
    except Exception as error:
        message = f"{type(module).__name__} cannot be handed to the process that measures: {error}"
        raise UsageError(message, where="with", hint="give the class, or a function that makes it") from error
    return file


def with_installed(
    names: str | Iterable[str] | None, own: Sequence[OwnModule]
) -> tuple[str | Iterable[str] | None, tuple[OwnModule, ...]]:
    """The operators of kaoprof among the `names`, and the modules beside them: `own`, and those that are installed.

    What is no list of names is handed back as it is: `catalog.chosen_operators` says so.
    """
    if not isinstance(names, Iterable):
        return names, tuple(own)
    names = listed(names)
    asked = [name for name in names if isinstance(name, str)]
    registered = installed_modules() if any(map(_is_unknown, asked)) else {}
    beside = [registered[name] for name in dict.fromkeys(asked) if name in registered]
    return [name for name in names if name not in registered], (*own, *beside)


def _is_unknown(name: str) -> bool:
    return not (is_operator(name.partition(":")[0]) or name in GROUPS)


def installed_modules() -> dict[str, OwnModule]:
    """What installed packages register for good, by name: each entry point of the group `kaoprof.operators`.

    Whoever installs such a package and names its operator allows it to be imported.
    """
    from importlib.metadata import entry_points

    registered = {entry.name: entry.value.replace(" ", "") for entry in entry_points(group=GROUP)}
    return {name: OwnModule(name=name, code=code) for name, code in registered.items() if name not in OPERATORS}
