"""The attention operators as `torch.nn.Module`s: `(b c *spatial) -> (b c *spatial)`, for 1, 2 and 3 spatial axes."""

from kaoprof.operators.axial import AxialAttention
from kaoprof.operators.kronecker import KroneckerAttentionKV, KroneckerAttentionQKV
from kaoprof.operators.non_local import NonLocalAttention, NonLocalPooledAttention

__all__ = [
    "AxialAttention",
    "KroneckerAttentionKV",
    "KroneckerAttentionQKV",
    "NonLocalAttention",
    "NonLocalPooledAttention",
]
