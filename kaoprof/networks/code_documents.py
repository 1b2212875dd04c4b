"""The document of somebody's code that no file describes: what is named on a command line, and what it is made with."""

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from kaoprof.networks.model_files import model_file
from kaoprof.specs import Document, load_spec, parse_spec

LONGEST_NAME = 64  # letters, as specs have it
NONE: Mapping[str, object] = MappingProxyType({})


def find_document(
    target: str,
    inputs: Sequence[object] | Mapping[str, object] | None = None,
    args: Sequence[object] = (),
    kwargs: Mapping[str, object] = NONE,
) -> Document:
    """The document of whatever a command names: a spec, code as `package.module:factory`, a model in a file.

    Raises:
        SpecError: there is none, or it is malformed.
    """
    model = model_file(target)
    if model is not None:
        return code_document(model.factory, inputs, [model.path, *args], kwargs, name=model.name)
    return code_document(target, inputs, args, kwargs) if ":" in target else load_spec(target)


def code_document(
    factory: str,
    inputs: Sequence[object] | Mapping[str, object] | None = None,
    args: Sequence[object] = (),
    kwargs: Mapping[str, object] = NONE,
    *,
    name: str = "",
) -> Document:
    """The document of what `package.module:factory` makes of these arguments.

    Args:
        factory: the code.
        inputs: what it is called with, as a spec says it; a shape alone is a tensor. None: as its own config says.
        args: of the factory.
        kwargs: of the factory.
        name: of the model, if it is not called like its factory.

    Raises:
        SpecError: something in it makes no sense.
    """
    import json  # opened late, and not msgspec: a name on the command line may hold bytes that are no text

    shown = name or factory.partition(":")[2] or factory
    named = re.sub(r"[^A-Za-z0-9._]+", "-", shown).strip("-._").lower()[:LONGEST_NAME] or "code"
    if isinstance(inputs, Sequence):
        inputs = [{"shape": list(given)} if isinstance(given, tuple) else given for given in inputs]
    made = {"module": factory, "args": list(args), "kwargs": dict(kwargs)}
    text = json.dumps({"schema": 1, "name": named, **made, **({"inputs": inputs} if inputs else {})})
    return parse_spec(text, file=factory)
