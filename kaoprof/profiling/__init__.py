"""`profile`: whole models, layer by layer, from a spec or somebody's code to a record."""
