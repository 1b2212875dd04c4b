"""Which operator an attention layer uses: its own settings over the spec's defaults."""

import msgspec

from kaoprof.catalog import OPERATORS, Operator
from kaoprof.dims import AttentionOptions
from kaoprof.errors import did_you_mean
from kaoprof.specs.documents import AttentionDefaults
from kaoprof.specs.layers import AttentionLayer
from kaoprof.specs.places import Places, key_path

OPTIONS = ("heads", "projection", "scale", "implementation")


class Defaults(msgspec.Struct, frozen=True, kw_only=True):
    """What attention layers use unless they say otherwise, and the key under which the spec says so."""

    settings: AttentionDefaults | None
    path: str


def choose_operator(
    layer: AttentionLayer, path: str, defaults: Defaults, places: Places
) -> tuple[Operator, AttentionOptions]:
    """The operator and the options of the layer at `path`.

    Raises:
        SpecError: there is no such operator, or neither the layer nor the spec names one.
    """
    name, at = layer.operator, key_path(path, "operator")
    if name is None and defaults.settings is not None:
        name, at = defaults.settings.type, key_path(defaults.path, "type")
    if name is None:
        raise places.error(
            "no operator: neither the layer nor the spec names one",
            path,
            hint=f"add operator: to it, or attention: {{type: kao_qkv}} to the spec; {did_you_mean('', OPERATORS)}",
        )
    if name not in OPERATORS:
        raise places.error(f"unknown operator {name!r}", at, hint=did_you_mean(name, OPERATORS))
    chosen = {key: getattr(defaults.settings, key) for key in OPTIONS} if defaults.settings is not None else {}
    chosen |= {key: getattr(layer, key) for key in OPTIONS if getattr(layer, key) is not None}
    return OPERATORS[name], AttentionOptions(**chosen)
