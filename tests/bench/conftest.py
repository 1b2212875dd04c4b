"""What tests of the bench leave behind in their own process: nothing."""

import pytest
import torch


@pytest.fixture(autouse=True)
def denormals_are_kept():
    """A bench flushes denormals in its process, and no other test may find them flushed."""
    yield
    torch.set_flush_denormal(False)
