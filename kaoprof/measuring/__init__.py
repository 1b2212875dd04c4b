"""Measuring for real, in a child process: peak memory from the device's allocator, latency in interleaved rounds.

The parent's side (`session`, `child`, `messages`) never imports torch; the child's side (`worker` and the rest) does.
"""
