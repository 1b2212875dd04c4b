"""What runs: a description, the module and inputs built from it, one step; and how attention is served."""
