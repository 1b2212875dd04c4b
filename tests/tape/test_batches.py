"""Whether the first axis of an input holds the samples."""

import pytest
import torch
from torch import nn

from kaoprof.networks import code_workload
from kaoprof.networks.code_documents import code_document
from kaoprof.networks.workloads import INSIDE
from kaoprof.tape.batches import sequence_first
from kaoprof.tape.models import record_workload


class Permuted(nn.Module):
    """Takes the batch first, and gives its attention the sequence first."""

    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2)

    def forward(self, x):
        tokens = x.flatten(2).permute(2, 0, 1)  # (b c h w) -> (n b c)
        return self.attention(tokens, tokens, tokens)[0]


@pytest.mark.parametrize(
    ("factory", "inputs", "made", "layer"),
    [
        ("torch.nn:LSTM", [(7, 3, 8)], {"input_size": 8, "hidden_size": 5}, "LSTM"),
        ("torch.nn:LSTM", [(7, 3, 8)], {"input_size": 8, "hidden_size": 5, "batch_first": True}, ""),
        ("torch.nn:GRU", [(7, 8)], {"input_size": 8, "hidden_size": 5}, "GRU"),
        ("torch.nn:Linear", [(7, 8)], {"in_features": 8, "out_features": 5}, ""),
        ("torch.nn:TransformerEncoderLayer", [(7, 3, 8)], {"d_model": 8, "nhead": 2}, "self_attn"),
        (f"{__name__}:Permuted", [(3, 8, 2, 5)], {}, ""),
        (f"{__name__}:Permuted", [(10, 8, 2, 5)], {}, "attention"),  # as long as the sequence: nobody can tell
    ],
)
def test_a_layer_that_takes_the_sequence_first_is_named(factory, inputs, made, layer):
    workload = code_workload(code_document(factory, inputs, [], made), allow_import=True)
    recording = record_workload(workload)
    assert sequence_first(recording.module, recording.tape, workload, inside=INSIDE) == layer
    assert torch.is_grad_enabled()
