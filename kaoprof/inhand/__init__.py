"""Models that are in hand: profiled in the process that holds them, which stays as it is."""
