"""A database and a broker that this process owns, for a laptop and for tests."""
