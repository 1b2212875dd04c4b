"""The same linear map of the channels at every position."""

import torch
from torch import Tensor, nn


class Pointwise(nn.Linear):
    """A 1 x 1 convolution of any number of axes, `(b c n) -> (b d n)`, as one matrix product for each sample."""

    def forward(self, tokens: Tensor) -> Tensor:
        mapped = torch.bmm(self.weight.expand(tokens.shape[0], -1, -1), tokens)  # (b d c) , (b c n) -> (b d n)
        return mapped if self.bias is None else mapped.add_(self.bias.unsqueeze(1))
