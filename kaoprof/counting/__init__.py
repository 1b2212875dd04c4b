"""MACs and FLOPs of operations and modules, by our own rules; and fvcore as a second opinion. Imports torch."""
