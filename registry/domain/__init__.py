"""Rules of the registry that need no database."""
