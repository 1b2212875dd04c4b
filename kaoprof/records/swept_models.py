"""What a sweep of models leaves behind: a row per model, size, batch, dtype and mode, each with a model's profile."""

import msgspec
from msgspec.structs import replace

from kaoprof.records import fields
from kaoprof.records.measured import Environment, Head, Protocol
from kaoprof.records.profile import ModelProfile, ProfileRecord

KIND = "models"


class ModelCase(msgspec.Struct, frozen=True, kw_only=True):
    """Which model, as the command named it, on which input: the key of a row.

    `size` are the spatial sizes that were asked for; None: those that the model itself says.
    """

    model: str
    size: fields.Sizes | None = None
    b: fields.Positive = 1
    dtype: fields.Dtype = "fp32"
    mode: fields.Mode = "forward"
    device: str | None = None

    @property
    def cell(self) -> tuple[object, ...]:
        """The cell: a model is measured by itself, so that a resumed sweep loses one model and not all of a size."""
        return (self.model, *self.comparison)

    @property
    def comparison(self) -> tuple[object, ...]:
        """Everything but the model: rows that share it stand beside each other."""
        return (self.size, self.b, self.dtype, self.mode)

    @property
    def setting(self) -> str:
        """The cell in words."""
        size = "" if self.size is None else f" {shown_size(self.size)}"
        return f"{self.model}{size}, batch {self.b}, {self.dtype}, {self.mode}"


class ModelRow(msgspec.Struct, frozen=True, kw_only=True):
    """A model in one cell: its `profile` as `profile` makes it, of the whole alone."""

    case: ModelCase
    profile: ModelProfile

    @property
    def status(self) -> str:
        """What became of it."""
        return self.profile.status

    @property
    def detail(self) -> str:
        """Why, if it is not `ok`."""
        return self.profile.detail

    @property
    def size(self) -> tuple[int, ...] | None:
        """The spatial sizes of its input: those that were asked for, or that it took by itself. None: it has none."""
        if self.case.size is not None:
            return self.case.size
        shapes = self.profile.input_shapes
        return shapes[0][2:] or None if shapes else None

    @property
    def dtype(self) -> str:
        """What it computes in."""
        return self.profile.dtype or self.case.dtype


class SweptModels(Head, frozen=True, kw_only=True):
    """The cells of a sweep of models that were measured in one environment."""

    kind: str = KIND
    rows: tuple[ModelRow, ...]
    protocol: Protocol | None = None
    environment: Environment | None = None
    interrupted: bool = False

    @property
    def dtypes(self) -> set[str]:
        """What its models compute in."""
        return {row.dtype for row in self.rows}

    def profile_of(self, row: ModelRow) -> ProfileRecord:
        """The row as `profile` would have left it."""
        return ProfileRecord(
            version=self.version, created=self.created, mode=row.case.mode, dtype=row.case.dtype,
            device=row.case.device, models=(row.profile,), protocol=self.protocol, environment=self.environment,
        )  # fmt: skip


def whole_of(model: ModelProfile) -> ModelProfile:
    """The model without its layers: of these a sweep keeps none."""
    return replace(model, layers=model.layers[:1])


def shown_size(size: tuple[int, ...]) -> str:
    """`224` for a square image, else `192x256`; of one axis `n=1024`'s number."""
    if len(size) == 2 and size[0] == size[1]:  # noqa: PLR2004 - h = w, as everywhere on the command line
        return str(size[0])
    return "x".join(map(str, size))
