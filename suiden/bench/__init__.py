"""Benchmarks: each starts its own servers on this machine, loads them, says what it saw, and stops."""
