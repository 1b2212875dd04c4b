"""What a layer knows of its network; and which operator it uses: its own settings over the spec's defaults."""

import msgspec

from kaoprof.catalog import OPERATORS, Operator, find_operator
from kaoprof.costs.layer_tree import Shape
from kaoprof.dims import AttentionOptions
from kaoprof.errors import UsageError, did_you_mean
from kaoprof.own_options import OwnOptions
from kaoprof.specs.documents import AttentionDefaults
from kaoprof.specs.layers import AttentionLayer
from kaoprof.specs.places import Places, key_path

OPTIONS = ("heads", "projection", "scale", "implementation")


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """What a layer knows of the network around it.

    Args:
        places: where the parts of the spec stand.
        defaults: what attention layers use unless they say otherwise, which the spec says under the key `said_at`.
        blocks: the shapes of named blocks so far.
        referenced: the names of blocks whose outputs are used again.
    """

    places: Places
    defaults: AttentionDefaults | None
    said_at: str
    blocks: dict[str, Shape] = msgspec.field(default_factory=dict)
    referenced: frozenset[str] = frozenset()


def choose_operator(layer: AttentionLayer, path: str, site: Site) -> tuple[Operator, AttentionOptions]:
    """The operator and the options of the layer at `path`.

    Raises:
        SpecError: there is no such operator, or neither the layer nor the spec names one.
    """
    name, at = layer.operator, key_path(path, "operator")
    inherits = site.defaults is not None and name in (None, site.defaults.type)
    if name is None and site.defaults is not None:
        name, at = site.defaults.type, key_path(site.said_at, "type")
    if name is None:
        raise site.places.error(
            "no operator: neither the layer nor the spec names one",
            path,
            hint=f"add operator: to it, or attention: {{type: kao_qkv}} to the spec; {did_you_mean('', OPERATORS)}",
        )
    chosen = {key: getattr(site.defaults, key) for key in OPTIONS} if site.defaults is not None else {}
    chosen |= {key: getattr(layer, key) for key in OPTIONS if getattr(layer, key) is not None}
    operator = known_operator(name, at, site.places)
    if site.defaults is not None and inherits:
        operator = _told(operator, site.defaults, site.said_at, site.places)
    return _told(operator, layer, path, site.places), AttentionOptions(**chosen)


def _told(operator: Operator, own: OwnOptions, path: str, places: Places) -> Operator:
    """The operator, told what stands beside it at `path`.

    Raises:
        SpecError: it has no such option.
    """
    for name in OwnOptions.__struct_fields__:
        value = getattr(own, name)
        if value is None:
            continue
        try:
            operator = operator.telling({name: value})
        except UsageError as error:
            raise places.error(error.message, key_path(path, name), hint=error.hint or "") from None
    return operator


def known_operator(name: str, path: str, places: Places) -> Operator:
    """The operator that stands at `path`.

    Raises:
        SpecError: there is no such operator, or it cannot be told what stands behind its name.
    """
    try:
        return find_operator(name)
    except UsageError as error:
        raise places.error(error.message, path, hint=error.hint or "") from None
