"""KAO_QKV, deliberately slowed: after each forward pass it waits for a share of the time that the pass took."""

import time

from torch import Tensor

from kaoprof.operators import KroneckerAttentionQKV


class SlowedKroneckerAttentionQKV(KroneckerAttentionQKV):
    """The same answers, 10 % later."""

    extra = 0.10  # of a call's own time

    def forward(self, x: Tensor) -> Tensor:
        start = time.perf_counter()
        output = super().forward(x)
        end = time.perf_counter()
        until = end + self.extra * (end - start)
        while time.perf_counter() < until:
            pass
        return output
