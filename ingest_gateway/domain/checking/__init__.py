"""The streaming checker: readings in the order of their arrival become findings, however the stream is cut."""
