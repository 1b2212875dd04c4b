"""What changed between two runs, beyond noise."""

from kaoprof.differences.comparing import diff

__all__ = ["diff"]
