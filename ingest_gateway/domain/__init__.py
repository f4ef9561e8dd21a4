"""What readings, messages and commands mean: rules without database or broker."""
