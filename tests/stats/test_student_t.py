"""Student's t against scipy's."""

import pytest
from scipy.stats import t as reference

from kaoprof.stats.student_t import probability_within, quantile


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 6, 7, 20, 21, 400])
@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
def test_quantiles_are_scipys(freedom, confidence):
    assert quantile(freedom, confidence) == pytest.approx(reference.ppf((1 + confidence) / 2, freedom), rel=1e-9)


@pytest.mark.parametrize("freedom", [1, 2, 5, 8])
def test_probabilities_are_scipys(freedom):
    for t in (0.0, 0.1, 1.0, 7.5):
        assert probability_within(t, freedom) == pytest.approx(2 * reference.cdf(t, freedom) - 1, abs=1e-12)


def test_with_very_many_degrees_of_freedom_it_is_the_normal_distribution():
    assert quantile(10**6, 0.95) == pytest.approx(1.959964, abs=1e-5)


@pytest.mark.parametrize(("freedom", "confidence"), [(0, 0.95), (3, 1.0), (3, 0.0)])
def test_what_has_no_quantile_is_refused(freedom, confidence):
    with pytest.raises(ValueError, match="no quantile"):
        quantile(freedom, confidence)
