"""Labelled sets of readings with known faults, to measure a checker by."""
