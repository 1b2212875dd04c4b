"""`compare`: operators side by side, from a request to a record."""
