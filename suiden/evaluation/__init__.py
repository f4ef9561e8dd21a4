"""Evaluating the checker and the grouping of its findings on labelled sets of readings."""
