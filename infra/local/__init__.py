"""One machine, processes only."""
