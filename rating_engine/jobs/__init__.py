"""Timed work of the rating engine; plain functions that the scheduler calls and tests too."""
