"""Files of readings, opened and read within bounds; what their lines say is in `domain/files`."""
