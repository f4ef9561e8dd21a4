"""For the machines that watch us: alive, ready, metrics. No personal data, so no session."""

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from customer_app.services import services_of

router = APIRouter()


@router.get("/healthz")
def alive() -> Response:
    """Tell that the process answers."""
    return PlainTextResponse("ok\n")


@router.get("/readyz")
def ready(request: Request) -> Response:
    """Tell whether pages can be served: database, clock and utility are there."""
    services = services_of(request)
    try:
        now = services.clock.now()
        with services.pool.connection(timeout=2.0) as conn:
            utility = services.utility(conn)
    except Exception as error:  # noqa: BLE001  # whatever it is, we are not ready
        return JSONResponse({"ready": False, "because": f"{type(error).__name__}: {error}"}, status_code=503)
    return JSONResponse({"ready": True, "utility": utility.code, "utility_time": now.isoformat()})


@router.get("/metrics")
def metrics(request: Request) -> Response:
    """Give the process's metrics in Prometheus's text format."""
    return Response(services_of(request).metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
