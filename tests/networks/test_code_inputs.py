"""Code is called with another size or batch where the first tensor has such axes, and refused where it has not."""

import pytest

from kaoprof.errors import UsageError
from kaoprof.networks.code_documents import code_document
from kaoprof.networks.overrides import override


def shapes(inputs, **changes):
    spec = override(code_document("torch.nn:Identity", inputs), **changes).spec
    values = spec.inputs.values() if isinstance(spec.inputs, dict) else spec.inputs
    return [tuple(value["shape"]) for value in values]


def test_a_single_size_is_both_sides_of_an_image_and_the_length_of_a_sequence():
    assert shapes([(1, 3, 224, 224)], size=(96,)) == [(1, 3, 96, 96)]
    assert shapes([(1, 3, 224, 224)], size=(96, 128)) == [(1, 3, 96, 128)]
    assert shapes([(1, 3, 16, 112, 112)], size=(64,)) == [(1, 3, 16, 64, 64)]
    assert shapes([(2, 5, 7)], size=(9,)) == [(2, 5, 9)]
    assert shapes([(2, 77)], size=(16,)) == [(2, 16)]


def test_whatever_has_the_same_axes_follows():
    tokens = {"ids": {"shape": [1, 32], "dtype": "int64"}, "mask": {"shape": [1, 32]}, "scale": {"shape": [4]}}
    assert shapes(tokens, size=(8,), batch=3) == [(3, 8), (3, 8), (4,)]


def test_without_inputs_nothing_is_said_yet():
    document = code_document("torch.nn:Identity")
    assert override(document, size=(8,), batch=3).spec == document.spec


@pytest.mark.parametrize(
    ("inputs", "changes", "message"),
    [
        ([(4,)], {"size": (8,)}, r"an input of shape \(4,\) has no axes for 8"),
        ([[(3, 8, 8), (3, 8, 8)]], {"batch": 2}, "its samples lie in a list"),
        ([(1, 3, 8, 8)], {"size": (0,)}, "must be between 1"),
        ([(1, 3, 8, 8)], {"batch": 0}, "must be between 1"),
        ([(1, 3, 8, 8)], {"attention": "kao_qkv"}, "no attention that could be exchanged"),
    ],
)
def test_what_cannot_be_is_refused(inputs, changes, message):
    if isinstance(inputs[0], list):
        inputs = [[{"shape": list(shape)} for shape in inputs[0]]]
    with pytest.raises(UsageError, match=message):
        shapes(inputs, **changes)
