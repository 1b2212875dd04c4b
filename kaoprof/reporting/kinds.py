"""Which formats there are, and which function writes each; it is imported only when it writes."""

import importlib
from collections.abc import Collection
from pathlib import Path

import msgspec

from kaoprof.errors import UsageError, did_you_mean


class Writer(msgspec.Struct, frozen=True):
    """A function from a record to text, by its name: `package.module:function`."""

    name: str

    def __call__(self, record: object) -> str:
        """The record as text."""
        module, _, function = self.name.partition(":")
        return str(getattr(importlib.import_module(module), function)(record))


JSON = Writer("kaoprof.records.measured:dumps")
FORMATS = {
    "csv": Writer("kaoprof.reporting.formats.csv:to_csv"),
    "json": JSON,
    "md": Writer("kaoprof.reporting.formats.markdown:to_markdown"),
    "tex": Writer("kaoprof.reporting.formats.latex:to_latex"),
}
PROFILE_FORMATS = {
    "csv": Writer("kaoprof.reporting.layer_files:profile_to_csv"),
    "json": JSON,
    "md": Writer("kaoprof.reporting.layer_files:profile_to_markdown"),
    "tex": Writer("kaoprof.reporting.layer_files:profile_to_latex"),
}
EXPLAIN_FORMATS = {
    "json": Writer("kaoprof.reporting.tables.explain_latex:explain_to_json"),
    "md": Writer("kaoprof.reporting.tables.explain_latex:explain_to_markdown"),
    "tex": Writer("kaoprof.reporting.tables.explain_latex:explain_to_latex"),
}
FIT_FORMATS = {
    "csv": Writer("kaoprof.reporting.fit_files:fit_to_csv"),
    "json": JSON,
    "md": Writer("kaoprof.reporting.fit_files:fit_to_markdown"),
    "tex": Writer("kaoprof.reporting.fit_files:fit_to_latex"),
}
REPRODUCE_FORMATS = {
    "csv": Writer("kaoprof.reporting.reproduce_files:reproduction_to_csv"),
    "json": JSON,
    "md": Writer("kaoprof.reporting.reproduce_files:reproduction_to_markdown"),
    "tex": Writer("kaoprof.reporting.reproduce_files:reproduction_to_latex"),
}
DIFF_FORMATS = {
    "csv": Writer("kaoprof.reporting.diff_files:diff_to_csv"),
    "json": JSON,
    "md": Writer("kaoprof.reporting.diff_files:diff_to_markdown"),
}


def format_of(path: Path, formats: Collection[str] = FORMATS) -> str:
    """The format that a file's suffix asks for, one of `formats`.

    Raises:
        UsageError: it asks for none that is known.
    """
    suffix = path.suffix.removeprefix(".").lower()
    if suffix not in formats:
        known = ", ".join(f".{name}" for name in formats)
        raise UsageError(
            f"no format is known for the suffix {path.suffix!r}",
            where=str(path),
            hint=did_you_mean(suffix, formats) if suffix else f"end the name in one of {known}",
        )
    return suffix
