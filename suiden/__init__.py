"""The front door: the `suiden` command, process wiring, scheduler, embedded servers, demo."""
