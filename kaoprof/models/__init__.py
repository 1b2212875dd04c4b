"""Networks as `torch.nn.Module`s: plain layers, the paper's modules, and what joins them."""

from kaoprof.models.modules import AttnModule, AttnSkipModule, BaseModule, BaseSkipModule
from kaoprof.models.network import Network

__all__ = ["AttnModule", "AttnSkipModule", "BaseModule", "BaseSkipModule", "Network"]
