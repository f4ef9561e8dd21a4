"""Trials that try to break the product, each a command of `suiden torture`."""
