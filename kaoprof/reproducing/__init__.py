"""The paper's tables and claims, beside what can be computed, counted and measured here."""

from kaoprof.reproducing.run import reproduce

__all__ = ["reproduce"]
