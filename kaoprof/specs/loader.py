"""A spec file -> a checked `Document`: reads, validates, and names file, line and key of whatever is wrong.

What depends on shapes or on the table of operators is checked by `kaoprof.networks`.
"""

import math
from pathlib import Path

import msgspec

from kaoprof.errors import SpecError, did_you_mean
from kaoprof.specs.code import check_code
from kaoprof.specs.documents import KIND_NAMES, KINDS, CodeSpec, GridSpec, ModelSpec, OperatorSpec, Spec
from kaoprof.specs.grid import check_grid
from kaoprof.specs.layers import Block, Layer, Reuse, Upsample
from kaoprof.specs.nodes import Value, read_yaml
from kaoprof.specs.places import Places
from kaoprof.specs.shelf import NAMES, SUFFIXES, find_shipped
from kaoprof.specs.tree import walk_layers

MAX_BYTES = 2**20  # of a spec file
MAX_INPUT = 2**40  # elements of the input, batch included
MAX_LAYERS = 10_000  # after repeating


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A valid spec and where its parts stand, so that later errors can name the line too."""

    spec: Spec
    places: Places

    @property
    def kind(self) -> str:
        """`model`, `operator`, `grid` (of operators or of models) or `code`."""
        return next(KIND_NAMES[key] for key, kind in KINDS.items() if isinstance(self.spec, kind))


def load_spec(name_or_path: str | Path) -> Document:
    """The spec in a file, or the shipped one of that name.

    Raises:
        SpecError: there is none, it cannot be read, or it is wrong; with file, line, key and what to do.
    """
    path = _spec_path(name_or_path)
    shown = str(name_or_path) if Path(name_or_path) == path else path.name
    return parse_spec(_read_text(path, shown), file=shown)


def parse_spec(text: str, *, file: str) -> Document:
    """The spec that `text` holds; errors call it `file`.

    Raises:
        SpecError: the text is not a valid spec.
    """
    value, places = read_yaml(text, file)
    return Document(spec=_convert(value, places), places=places)


def _spec_path(name_or_path: str | Path) -> Path:
    text = str(name_or_path)
    looks_like_path = isinstance(name_or_path, Path) or "/" in text or "\\" in text or text.endswith(SUFFIXES)
    path = Path(text)
    if looks_like_path or _is_there(path):
        return path
    return find_shipped(text)


def _is_there(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _read_text(path: Path, shown: str) -> str:
    try:
        if path.is_dir():
            raise SpecError("is a directory, not a spec", where=shown, hint="name one .yaml file in it")
        if path.exists() and not path.is_file():
            raise SpecError("is no ordinary file", where=shown, hint="name a .yaml file")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        hint = "`kaoprof list` names the shipped specs" if path.suffix else NAMES
        raise SpecError("no such file", where=shown, hint=hint) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SpecError(f"cannot be read: {reason}", where=shown, hint="is it a file that you may read?") from None
    if len(content) > MAX_BYTES:
        raise SpecError(
            f"larger than {MAX_BYTES:,} bytes", where=shown, hint="is it a spec? use `repeat` for long ones"
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SpecError("not a text file in UTF-8", where=f"{shown}:{line}", hint="save it as UTF-8 text") from None


def _convert(value: Value, places: Places) -> Spec:
    if not isinstance(value, dict):
        raise places.error("a spec is a mapping of keys", "", hint="start with `schema: 1`")
    named = [key for key in KINDS if key in value and not (key == "grid" and "models" in value)]
    if not named:
        import difflib  # opened late, as above

        for key in value:
            if close := difflib.get_close_matches(key.lower(), KINDS, n=1, cutoff=0.7):
                raise places.error(f"unknown key {key!r}", key, hint=f"did you mean {close[0]!r}?")
    if len(named) != 1:
        hint = "a model has layers, a comparison has grid or models, one operator has operator, code has module"
        problem = f"has {' and '.join(named)}: which is it?" if named else "does not say what it describes"
        raise places.error(f"the spec {problem}", named[1] if named else "", hint=hint)
    kind = KINDS[named[0]]
    try:
        spec = msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        from kaoprof.specs.mistakes import explain  # opened late: a right spec needs no explanation

        raise explain(error, value, kind, places) from None
    _check(spec, places)
    return spec


def _check(spec: Spec, places: Places) -> None:
    """What the schema cannot say."""
    if isinstance(spec, ModelSpec | OperatorSpec):
        elements = spec.input.batch * spec.input.channels * math.prod(spec.input.size)
        if elements > MAX_INPUT:
            raise places.error(f"an input of {elements:,} elements is absurd", "input", hint="choose smaller sizes")
    if isinstance(spec, ModelSpec):
        _check_layers(spec, places)
    elif isinstance(spec, GridSpec):
        check_grid(spec, places)
    elif isinstance(spec, CodeSpec):
        check_code(spec, places)


def _check_layers(spec: ModelSpec, places: Places) -> None:
    """Names are unique and known where they are used; repeats stay within bounds; every layer is complete."""
    names: dict[str, str] = {}
    layers = 0
    for path, layer, copies in walk_layers(spec.layers, "layers"):
        layers += copies
        if layers > MAX_LAYERS:
            raise places.error(f"more than {MAX_LAYERS:,} layers, repeats included", path, hint="repeat less")
        _check_reference(layer, path, names, places)
        if isinstance(layer, Block) and layer.name is not None:
            if layer.name in names:
                first = places.line(names[layer.name])
                raise places.error(
                    f"block name {layer.name!r} stands twice", f"{path}.name", hint=f"it is already in line {first}"
                )
            names[layer.name] = f"{path}.name"


def _check_reference(layer: Layer, path: str, names: dict[str, str], places: Places) -> None:
    if isinstance(layer, Upsample):
        given = [key for key in ("scale", "size", "like") if getattr(layer, key) is not None]
        if len(given) != 1:
            problem = " and ".join(given) or "none of scale, size and like"
            raise places.error(f"upsample has {problem}", path, hint="give exactly one of scale, size, like")
    for key in ("like", "block") if isinstance(layer, Upsample | Reuse) else ():
        name = getattr(layer, key, None)
        if name is not None and name not in names:
            hint = did_you_mean(name, names) if names else "give a block before it a name"
            raise places.error(f"no earlier block is called {name!r}", f"{path}.{key}", hint=hint)
