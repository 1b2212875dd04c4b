"""`explain`: symbolic costs of a module, derived with symbolic sizes and proven."""
