"""From what changed to who is concerned, looked up once for all viewers."""

from collections.abc import Mapping

from customer_app.live import Resolve
from kernel.database import Pool


def resolvers(pool: Pool) -> Mapping[str, Resolve]:
    """A batch concerns its meters, a ticket the points whose customers are told."""
    del pool
    return {}
