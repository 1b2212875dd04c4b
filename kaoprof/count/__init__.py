"""Counting without running: MACs and FLOPs on meta tensors, a second opinion, and the peak of live bytes.

`count` is the one door; everything behind it imports torch.
"""

from kaoprof.count.attention_backend import UnservedError
from kaoprof.count.census import Census, count

__all__ = ["Census", "UnservedError", "count"]
