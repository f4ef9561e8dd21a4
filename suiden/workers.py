"""The long-running processes, wired: each gets its settings and hands down what it needs."""

import json
import os
import threading

import psycopg
import uvicorn

from customer_app.app import create_app
from ingest_gateway import gateway
from kernel import clock
from kernel.clock import UtilityClock
from kernel.database import open_pool
from kernel.metrics import Metrics
from rating_engine import operations as rating
from suiden import demo
from suiden.settings import GatewaySettings, ProcessSettings, WebSettings, load

GRACE_S = 3


def serve(settings: WebSettings) -> None:
    """Serve pages until SIGINT or SIGTERM; live streams are closed first."""
    pool = open_pool(settings.database_url, role="suiden_app", process="web", max_size=16)
    app = create_app(settings, pool=pool, clock=UtilityClock(pool), metrics=Metrics())
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_level="warning",
        timeout_graceful_shutdown=GRACE_S,
        server_header=False,
    )
    uvicorn.Server(config).run()
    pool.close()


def run_gateway(settings: GatewaySettings, *, stop: threading.Event) -> None:
    """Take readings in until `stop`; a suspension leaves only with the word of collections."""
    gateway.run(
        database_url=settings.database_url,
        mqtt_url=settings.mqtt_url,
        client_id=settings.client_id,
        release_guard=rating.release_guard,
        stop=stop,
    )
