"""What callers meet and what is recorded of it: faults, waits, the history and the counts."""
