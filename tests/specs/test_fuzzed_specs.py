"""Whatever the bytes, the loader gives a spec or a SpecError, and nothing else."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kaoprof.errors import SpecError
from kaoprof.networks import check_spec
from kaoprof.specs import Document, load_spec, parse_spec, starter_spec
from kaoprof.specs.shelf import shelf

MORE = settings(max_examples=3 * settings.default.max_examples)  # bytes are quick to try
SPECS = [path.read_text() for path in shelf().values()] + [starter_spec()]
WORDS = st.sampled_from(
    [
        *(
            "0",
            "-1",
            "1e9",
            "99999999",
            ".nan",
            "null",
            "true",
            "[]",
            "{}",
            "[1, 2]",
            "{a: 1}",
            "*x",
            "&x 1",
            "!!int 1",
        ),
        *(
            "<<: 1",
            "'",
            '"',
            "\t",
            ": ",
            "- ",
            "\n",
            "\n  ",
            "---",
            "...",
            "%YAML 1.1",
            "? ",
            "| ",
            "> ",
            "#",
            "@",
            "`",
        ),
        *("type: conv", "type: block", "layers: []", "repeat: 1000", "stride: 7", "out: 1", "kernel: 9", "heads: 3"),
        *("like: low_level", "size: [1]", "scale: 1024", "\x00", "\ufeff", "é", "𝔘", "\u2028", "\\ud800", '"\\ud800"'),
        *("\x85", "a" * 300),
    ]
)


def spec_or_error(text):
    """Parses and checks; a SpecError must be a good one, and anything else escapes."""
    try:
        document = parse_spec(text, file="fuzz.yaml")
        check_spec(document)
    except SpecError as error:
        assert error.hint, error
        assert error.where.startswith("fuzz.yaml:"), error
        assert len(str(error)) < 600, "one line"
        assert str(error).isprintable() or "\n" not in str(error), error
        return error
    assert isinstance(document, Document)
    return document


@pytest.fixture(scope="module")
def fuzz_file(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz") / "fuzz.yaml"


@MORE
@given(content=st.binary(max_size=400))
@example(content=b"")
@example(content=b"\xff\xfe")
@example(content=b"!!python/object/apply:os.system [id]")
@example(content=b"\xef\xbb\xbfschema: 1")
@example(content=b'"\\ud800"')
@example(content=b"- " * 200)
@example(content=b"%TAG ! tag:x,2000:\n---\n!x 1")
def test_any_bytes_give_a_spec_or_a_spec_error(fuzz_file, content):
    fuzz_file.write_bytes(content)
    try:
        outcome = load_spec(fuzz_file)
    except SpecError as error:
        outcome = error
        assert error.hint
    assert isinstance(outcome, Document | SpecError)


@MORE
@given(text=st.text(alphabet=st.sampled_from(sorted("schema:1\n -[]{}&*!|>'\"%@`?,#\t\\xulayernt<")), max_size=120))
def test_any_text_of_yaml_signs_gives_a_spec_or_a_spec_error(text):
    assert isinstance(spec_or_error(text), Document | SpecError)


@MORE
@given(
    text=st.sampled_from(SPECS),
    edits=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 12), WORDS), min_size=1, max_size=4),
)
def test_a_mutated_spec_gives_a_spec_or_a_spec_error(text, edits):
    for position, removed, word in edits:
        start = int(position * len(text))
        text = text[:start] + word + text[start + removed :]
    assert isinstance(spec_or_error(text), Document | SpecError)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 2**21)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "out", "layers", "branches", "repeat", "size"]), inner, max_size=3)
    ),
    max_leaves=6,
)


KINDS = ["conv", "depthwise", "linear", "max_pool", "upsample", "block", "concat", "attn_skip", "base", "reuse"]
KEYS = [
    "out",
    "kernel",
    "stride",
    "padding",
    "dilation",
    "groups",
    "repeat",
    "layers",
    "branches",
    "expand",
    "scale",
    "size",
    "like",
    "heads",
    "operator",
    "bias",
    "ceil",
    "block",
    "name",
]


@MORE
@given(
    kind=st.sampled_from(KINDS),
    keys=st.dictionaries(st.sampled_from(KEYS), VALUES | st.integers(1, 9), max_size=5),
)
def test_a_layer_of_any_values_gives_a_spec_or_a_spec_error(kind, keys):
    import json

    layer = json.dumps({"type": kind} | keys)
    text = (
        "schema: 1\nname: fuzz\ninput: {channels: 4, size: [9, 8]}\nattention: {type: kao_kv}\n"
        f"layers:\n  - {{type: block, name: low, layers: [{{type: conv, out: 4, kernel: 1}}]}}\n  - {layer}\n"
    )
    assert isinstance(spec_or_error(text), Document | SpecError)
