"""Records as flat rows: the columns of CSV files."""
