"""The registry's SQL; nothing here commits."""
