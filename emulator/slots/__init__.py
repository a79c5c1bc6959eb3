"""Slots: what Azure stores of them, their processes and ports, and how a swap changes both."""
