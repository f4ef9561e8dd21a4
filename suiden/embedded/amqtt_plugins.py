"""Let the embedded broker check logins and topics by the same files as Mosquitto."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amqtt.contexts import Action, BaseContext
from amqtt.plugins.base import BaseAuthPlugin, BaseTopicPlugin
from amqtt.session import Session

from suiden.embedded.access import AccessFiles


def _files(config: Any) -> AccessFiles:
    return AccessFiles(password_file=Path(config.password_file), acl_file=Path(config.acl_file))


class LoginPlugin(BaseAuthPlugin):
    """Let in who is in the password file. Such a session is not anonymous, so the broker keeps it."""

    @dataclass
    class Config(BaseAuthPlugin.Config):
        """Where the two files are."""

        password_file: str
        acl_file: str

    def __init__(self, context: BaseContext) -> None:
        super().__init__(context)
        self._access = _files(self.config)

    async def authenticate(self, *, session: Session) -> bool | None:
        """Answer False, and not None, for a missing name: nobody is let in without one."""
        return self._access.is_login(name=session.username or "", password=session.password or "")


class TopicPlugin(BaseTopicPlugin):
    """Let a login publish and subscribe only to what the access file gives it."""

    @dataclass
    class Config(BaseTopicPlugin.Config):
        """Where the two files are."""

        password_file: str
        acl_file: str

    def __init__(self, context: BaseContext) -> None:
        super().__init__(context)
        self._access = _files(self.config)

    async def topic_filtering(
        self, *, session: Session | None = None, topic: str | None = None, action: Action | None = None
    ) -> bool | None:
        """Answer at once for a delivery: the subscription was checked when it was made."""
        if action == Action.RECEIVE:
            return True
        if session is None or topic is None:
            return False
        access = "write" if action == Action.PUBLISH else "read"
        return self._access.allows(name=session.username or "", topic=topic, access=access)
