"""The spec that a new user starts from: valid, small, and commented."""

import re
from pathlib import Path

from kaoprof.specs.layers import NAME_PATTERN

FILE = "my-model.yaml"
STARTER = """\
# A model for kaoprof. Check it with `kaoprof check my-model.yaml`, profile it with `kaoprof profile my-model.yaml`.
schema: 1
name: "my-model"
source: "where it comes from: a paper, a repository"
description: a small classifier with Kronecker attention

input: {channels: 3, size: [224, 224], batch: 1}   # size: [n], [h, w] or [t, h, w]

# What attention layers use unless they say otherwise.
# type: nonlocal, nonlocal_pool, kao_kv or kao_qkv; projection: none, value, qkv or qkvo.
attention: {type: kao_qkv, projection: value, heads: 1}

layers:
  # A conv is followed by batch norm and ReLU6; `norm: none` and `activation: none` leave them out.
  - {type: conv, out: 16, kernel: 3, stride: 2}

  # Modules of the Kronecker attention paper. `repeat` puts several in a row; only the first has the stride.
  - {type: base_skip, expand: 6, out: 24, stride: 2, repeat: 2}
  - {type: attn_skip, expand: 6, out: 24}
  - {type: attn_skip, expand: 6, out: 32, operator: kao_kv}      # a layer may choose its own operator

  # Skip connections: `residual` adds its input; `concat` and `add` join branches ([] passes the input on).
  - type: residual
    layers:
      - {type: depthwise, kernel: 5}
      - {type: conv, out: 32, kernel: 1, activation: none}

  - {type: global_avg_pool}
  - {type: linear, out: 10}
"""


def starter_spec(file: str = FILE) -> str:
    """The text of a valid, commented model spec, named after the `file` that it is meant for."""
    stem = Path(file).stem
    if not re.fullmatch(NAME_PATTERN, stem):
        return STARTER
    return re.sub(r"my-model(\.yaml)?", lambda match: file if match[1] else stem, STARTER)
