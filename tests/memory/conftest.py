"""Fixtures that several tests of predicted peaks share."""

import pytest
import torch


@pytest.fixture(params=[1, 4])
def threads(request):
    """So many threads work in torch; a file may ask for other numbers with an indirect parametrisation."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)
