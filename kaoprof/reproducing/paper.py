"""What the paper prints and claims: facts only. Everything that is ours is computed elsewhere.

Source: H. Gao, Z. Wang, S. Ji, Kronecker Attention Networks, KDD 2020, arXiv:2007.08442. Printed figures are as
recalled from it, hence "reported"; each agrees with its own formula to the digits shown, which `reproduce` checks.
"""

import msgspec

SOURCE = "arXiv:2007.08442"

# Operators: MAdd of one sample in millions, for inputs of 8 samples, 8 channels and s x s positions
BATCH = 8
CHANNELS = 8
SIZES = (14, 28, 56)
BASELINE = "nonlocal"
OPERATOR_MACS = {
    "nonlocal": ("0.63", "9.88", "157.55"),
    "nonlocal_pool": ("0.16", "2.47", "39.39"),
    "kao_kv": ("0.09", "0.71", "5.63"),
    "kao_qkv": ("0.01", "0.05", "0.21"),
}
SAVINGS_PERCENT = {
    "nonlocal_pool": ("75.00", "75.00", "75.00"),
    "kao_kv": ("85.71", "92.86", "96.43"),
    "kao_qkv": ("97.71", "99.46", "99.87"),
}


class PrintedNetwork(msgspec.Struct, frozen=True, kw_only=True):
    """A network of the classification table, in millions; `spec` is the shipped one. None: no printed figure known."""

    spec: str
    title: str
    macs: str
    params: str | None


NETWORKS = (
    PrintedNetwork(spec="mobilenetv2", title="MobileNetV2", macs="300", params="3.47"),
    PrintedNetwork(spec="attnnet", title="AttnNet", macs="365", params="3.44"),
    PrintedNetwork(spec="attnnet-pool", title="AttnNet + pool", macs="300", params=None),
    PrintedNetwork(spec="kanet-kv", title="KANet_KV", macs="288", params=None),
    PrintedNetwork(spec="kanet-qkv", title="KANet_QKV", macs="281", params=None),
)
RIVAL_NETWORK = "mobilenetv2"
KANETS = ("kanet-kv", "kanet-qkv")

# Claims
TIME_EXPONENTS = {"nonlocal": 4, "kao_kv": 3, "kao_qkv": 2}  # of h, for h = w; the coefficients' likewise
CHANNEL_EXPONENTS = {"time": 1, "coefficients": 0}  # of c
FACTOR = 100  # "hundreds"
BEST = "kao_qkv"  # the operator of which the factor is claimed
