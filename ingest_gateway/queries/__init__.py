"""What others and the pages read from here; each module offers its names through this one."""
