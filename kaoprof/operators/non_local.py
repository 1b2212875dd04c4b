"""Regular (non-local) attention, and attention with pooled keys and values."""

from torch import Tensor
from torch.nn import functional as F

from kaoprof.operators.dot_product import AttentionOperator

MAX_POOLS = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}


class NonLocalAttention(AttentionOperator):
    """Every position attends to every position.

    Args:
        channels: c of the input `(b, c, *spatial)`; the output has the same shape.
        options: heads, projection, scale, implementation.

    Source: arXiv:2007.08442, section 3.1; Wang et al., Non-local Neural Networks, CVPR 2018 (embedded Gaussian).
    """

    def forward(self, x: Tensor) -> Tensor:
        positions = x.flatten(2)  # (b c *spatial) -> (b c n)
        attended: Tensor = self.attention(positions, positions)  # (b c n)
        return attended.reshape(x.shape)


class NonLocalPooledAttention(AttentionOperator):
    """Every position attends to the positions left by max pooling, 2 per spatial axis in ceil mode.

    Args:
        channels: c of the input `(b, c, *spatial)`; the output has the same shape.
        options: heads, projection, scale, implementation. Keys and values are projected after pooling.

    Source: arXiv:2007.08442, section 4 (attention + pooling).
    """

    def forward(self, x: Tensor) -> Tensor:
        pooled = MAX_POOLS[x.ndim - 2](x, kernel_size=2, ceil_mode=True)  # (b c ceil(s/2)...)
        attended: Tensor = self.attention(x.flatten(2), pooled.flatten(2))  # (b c n)
        return attended.reshape(x.shape)
