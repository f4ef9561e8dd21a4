"""A fault of amqtt's that we mend: a client that connects anew while its old connection stands must go on hearing."""

import asyncio
from typing import Any

from amqtt.broker import Broker, BrokerProtocolHandler
from amqtt.session import Session


class PatientBroker(Broker):
    """amqtt, whose end of an old connection is not taken for the end of the one that took its place.

    Both share a session. As it comes (0.12), the old one's end marks it as disconnected, and what is published from
    then on is kept for a client that is connected and never gets it.
    """

    async def _client_message_loop(self, client_session: Session, handler: BrokerProtocolHandler) -> None:
        if not client_session.transitions.is_connected():
            client_session.transitions.connect()
        await super()._client_message_loop(client_session, handler)

    async def _handle_disconnect(
        self, client_session: Session, handler: BrokerProtocolHandler, disconnect_waiter: asyncio.Future[Any]
    ) -> None:
        client_id = client_session.client_id
        current = self._sessions.get(client_id) if client_id is not None else None
        if current is not None and current[1] is not handler:
            await self._stop_handler(handler)
            return
        await super()._handle_disconnect(client_session, handler, disconnect_waiter)
