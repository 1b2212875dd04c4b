"""One file per format: how any page is written in it."""
