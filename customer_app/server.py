"""Serving the application with uvicorn: at the end the live streams close first, then the other answers finish."""

import resource

import uvicorn
from fastapi import FastAPI

END_LIMIT_S = 10
CONNECTIONS = 65_536


def allow_many_connections() -> None:
    """Let this process hold many streams open: the usual limit of open files is 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = CONNECTIONS if hard == resource.RLIM_INFINITY else min(CONNECTIONS, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


class Server(uvicorn.Server):
    """A server that does not wait for live streams, which by themselves would never finish."""

    def __init__(self, app: FastAPI, *, host: str, port: int) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                log_level="warning",
                timeout_graceful_shutdown=END_LIMIT_S,
                proxy_headers=True,
            )
        )
        self._app = app

    async def shutdown(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        self._app.state.services.hub.close_streams()
        await super().shutdown(sockets)  # type: ignore[arg-type]
