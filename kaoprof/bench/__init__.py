"""The measuring process, which nobody imports: a child that builds subjects, runs them and reads its meters."""
