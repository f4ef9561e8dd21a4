"""Putting the web application together: surfaces, shared services, error answers, start and end."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from urllib.parse import urlsplit

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute

from customer_app import errors, reading_lines, resolvers, topics
from customer_app.live import Hub
from customer_app.live_readings import ReadingFeed
from customer_app.live_rights import StandingWatch
from customer_app.rendering import Renderer
from customer_app.routes import SURFACES, shared
from customer_app.security import SecureAnswers, WebMetrics
from customer_app.services import Services
from customer_app.settings import Surface, WebSettings
from customer_app.statics import FOLDER, FingerprintedFiles, Statics
from kernel.clock import Clock
from kernel.database import Pool, with_options
from kernel.metrics import Metrics


def create_app(settings: WebSettings, *, pool: Pool, clock: Clock, metrics: Metrics) -> FastAPI:
    """Make the application that serves `settings.surface`; the pool must act as `suiden_app`."""
    routers = routers_of(settings.surface)
    renderer = Renderer(Statics())
    services = Services(
        settings=settings,
        pool=pool,
        clock=clock,
        metrics=metrics,
        hub=Hub(
            resolvers=resolvers.resolvers(pool),
            readings=ReadingFeed(read=resolvers.reader(pool), write=reading_lines.writer(renderer)),
            standings=StandingWatch(check=resolvers.checker(pool, clock=clock), every_s=settings.stream_check_s),
            paced=topics.PACED,
            refreshes_per_s=settings.refreshes_per_s,
        ),
        renderer=renderer,
        paths=frozenset(route.path for router in routers for route in router.routes if isinstance(route, APIRoute)),
    )
    app = FastAPI(
        title="Suiden",
        lifespan=_lifespan(services),
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    app.state.services = services
    for router in routers:
        app.include_router(router)
    app.mount("/static", FingerprintedFiles(directory=FOLDER), name="static")
    errors.add_handlers(app)
    app.add_middleware(
        SecureAnswers, metrics=WebMetrics.of(metrics), https=settings.https, pay_origin=origin_of(settings.card_url)
    )
    viewers = metrics.gauge("suiden_web_viewers", "Open live streams")
    viewers.set_function(lambda: services.hub.viewers)
    return app


def routers_of(surface: Surface) -> list[APIRouter]:
    """List the routers of a surface; signing in, health and live streams belong to each."""
    parts = SURFACES.values() if surface == "all" else [SURFACES[surface]]
    return [*shared, *(router for part in parts for router in part)]


def origin_of(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme and parts.netloc else ""


def _lifespan(services: Services) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        del app
        services.hub.start(with_options(services.settings.database_url, role="suiden_app", process="web live"))
        try:
            yield
        finally:
            services.hub.stop()

    return lifespan
