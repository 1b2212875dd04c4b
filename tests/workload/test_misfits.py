"""What a model's exception means for whoever called it."""

import pytest
import torch
from modelzoo import Configured, Tiny, Words, halved
from torch import nn

from kaoprof.errors import UsageError
from kaoprof.workload.misfits import in_a_line


def said_of(call):
    with pytest.raises(Exception) as raised:  # noqa: PT011 - torch's own, of many kinds
        call()
    return in_a_line(raised.value)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: Tiny(5)(torch.ones(1, 4, 6, 6)), "; conv (Conv2d) takes b x 3 x h x w, and was given 1 x 4 x 6 x 6"),
        (lambda: Tiny(5)(torch.ones(3, 6)), "; conv (Conv2d) takes b x 3 x h x w, and was given 3 x 6"),
        (lambda: nn.Linear(7, 5)(torch.ones(2, 3)), "; Linear takes ... x 7, and was given 2 x 3"),
        (
            lambda: halved()(torch.ones(1, 3, 6, 6)),
            "takes b x 3 x h x w of fp16, and was given 1 x 3 x 6 x 6 of fp32: --dtype fp16 makes both alike",
        ),
        (
            lambda: Words()(torch.ones(2, 3), mask=torch.ones(2, 3)),
            "; embedding (Embedding) takes whole numbers below 100, such as 1,128:int64:100, and was given 2 x 3 of fp",
        ),
        (
            lambda: nn.Sequential(nn.LSTM(5, 6))(torch.ones(2, 3, 4)),
            "; 0 (LSTM) takes n x b x 5, and was given 2 x 3 x 4",
        ),
        (
            lambda: nn.Linear(7, 5)(torch.ones(2, 7, device="meta")),
            "the weights of Linear are on cpu, its input is on meta",
        ),
        (lambda: Words()(torch.ones(2, 3, dtype=torch.long)), "; --input mask=SHAPE gives a tensor"),
        (Configured, "; --kwarg settings=VALUE gives one"),
    ],
)
def test_the_layer_that_refuses_its_input_is_named_with_what_it_takes(call, sentence):
    said = said_of(call)
    assert sentence in said
    assert "\n" not in said


def test_of_other_errors_only_the_error_is_told():
    def fails():
        raise ValueError("out of luck\nfor good")

    def refused():
        raise UsageError("no", where="x")

    assert said_of(fails) == "ValueError: out of luck"
    assert said_of(refused) == "UsageError: x: no"
