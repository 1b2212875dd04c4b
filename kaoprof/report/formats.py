"""Which formats there are, and which function writes each."""

from collections.abc import Callable, Collection
from pathlib import Path

from kaoprof.errors import UsageError, did_you_mean
from kaoprof.explanations import Explanation
from kaoprof.fit_records import CrossRecord, FitRecord
from kaoprof.layer_records import ProfileRecord
from kaoprof.records import Record, dumps
from kaoprof.report.delimited import to_csv
from kaoprof.report.explain_files import explain_to_json, explain_to_latex, explain_to_markdown
from kaoprof.report.fit_files import fit_to_csv, fit_to_latex, fit_to_markdown
from kaoprof.report.latex import to_latex
from kaoprof.report.layer_files import profile_to_csv, profile_to_latex, profile_to_markdown
from kaoprof.report.markdown import to_markdown

FORMATS: dict[str, Callable[[Record], str]] = {"csv": to_csv, "json": dumps, "md": to_markdown, "tex": to_latex}
PROFILE_FORMATS: dict[str, Callable[[ProfileRecord], str]] = {
    "csv": profile_to_csv,
    "json": dumps,
    "md": profile_to_markdown,
    "tex": profile_to_latex,
}
EXPLAIN_FORMATS: dict[str, Callable[[Explanation], str]] = {
    "json": explain_to_json,
    "md": explain_to_markdown,
    "tex": explain_to_latex,
}
FIT_FORMATS: dict[str, Callable[[FitRecord | CrossRecord], str]] = {
    "csv": fit_to_csv,
    "json": dumps,
    "md": fit_to_markdown,
    "tex": fit_to_latex,
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
