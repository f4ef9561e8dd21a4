"""SQL of the rating engine's tables; never commits."""
