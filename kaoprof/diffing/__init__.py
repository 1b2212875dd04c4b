"""What changed between two runs, beyond noise."""

from kaoprof.diffing.run import diff

__all__ = ["diff"]
