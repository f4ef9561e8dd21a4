"""Journeys: a person's story in the browser, on the whole utility."""
