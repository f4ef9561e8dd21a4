"""Readings out of files: what a line of a table or of a head-end's file says."""
