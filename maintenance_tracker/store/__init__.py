"""The SQL of this package; nothing here commits."""
