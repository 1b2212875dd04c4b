"""What a module is called with, as it is typed."""

import pytest

from kaoprof.errors import UsageError
from kaoprof.specs.inputs import parse_inputs


@pytest.mark.parametrize(
    ("texts", "inputs"),
    [
        ([], None),
        (["1,3,224,224"], [{"shape": [1, 3, 224, 224]}]),
        (["[1, 3, 8]"], [{"shape": [1, 3, 8]}]),
        (["2,32:int64:1000"], [{"shape": [2, 32], "dtype": "int64", "high": 1000}]),
        (["2,32:long:5..9"], [{"shape": [2, 32], "dtype": "int64", "low": 5, "high": 9}]),
        (["2,5:fp16", "2:bool:zeros"],
         [{"shape": [2, 5], "dtype": "fp16"}, {"shape": [2], "dtype": "bool", "values": "zeros"}]),
        (["2,5:ones"], [{"shape": [2, 5], "values": "ones"}]),
        (["ids=2,5:int64:7", "mask=2:float32:ones"],
         {"ids": {"shape": [2, 5], "dtype": "int64", "high": 7},
          "mask": {"shape": [2], "dtype": "fp32", "values": "ones"}}),
        (["3,7", "flag=true", "scale=0.5", "how=mean"],
         {"*": [{"shape": [3, 7]}], "flag": True, "scale": 0.5, "how": "mean"}),
        (['["3,7", "3,5:ones"]'], [[{"shape": [3, 7]}, {"shape": [3, 5], "values": "ones"}]]),
        (['{x: "3,7", n: 4, y: [{shape: [2]}]}'], [{"x": {"shape": [3, 7]}, "n": 4, "y": [{"shape": [2]}]}]),
    ],
)  # fmt: skip
def test_inputs_are_read_as_a_spec_would_say_them(texts, inputs):
    assert parse_inputs(texts) == inputs


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x", "no shape"),
        ("1,a", "no shape"),
        ("2,3:int65", "did you mean 'int64'?"),
        ("16:64:16", "the dtype comes first"),
        ("2,3:fp32:1000", "says no values"),
        ("2,3:int64:few", "ones, zeros"),
        ("mask=2,3:bool:onse", "ones, zeros"),
        ("1," + "9" * 30, "absurdly large"),
        ("[1, 2", "not valid YAML"),
    ],
)
def test_a_slip_is_one_sentence(text, message):
    with pytest.raises(UsageError) as raised:
        parse_inputs([text])
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_keyword_is_given_once():
    with pytest.raises(UsageError, match="given twice"):
        parse_inputs(["x=2,3", "x=2,3"])
