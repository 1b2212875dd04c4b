"""HTML pages with plots."""
