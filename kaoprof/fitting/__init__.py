"""`fit` and `cross`: the largest size within a budget, and who is cheaper from where on."""
