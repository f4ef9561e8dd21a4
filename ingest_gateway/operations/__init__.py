"""What others ask to be written here; each module offers its names through this one."""
