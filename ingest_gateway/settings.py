"""What the gateway is told from outside, beside where the database and the broker are."""

from typing import Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from ingest_gateway.bridges import BridgeSetting
from ingest_gateway.domain import decoders

PROCESS = "gateway"  # its heartbeat; of a named worker `gateway:NAME`


class GatewaySettings(BaseSettings):
    """Limits, sizes and intervals of the gateway; each has a default that suits a small utility."""

    model_config = SettingsConfigDict(env_prefix="SUIDEN_GATEWAY_", frozen=True, extra="ignore")

    bridges: BridgeSetting = Field(
        default=dict(decoders.DEFAULT_BRIDGES),
        description="for formats whose topics name neither: the utility and the registered sender that speaks",
    )
    subscriptions: tuple[str, ...] = Field(
        default_factory=lambda known: decoders.subscriptions(known.get("bridges", {})),
        description="topics to subscribe to; what no decoder knows is refused with the reason",
    )
    share: str = Field(
        default="",
        pattern=r"^[^/+#\s]*$",
        description="name of the group of workers among which the broker deals messages; empty: this one gets all",
    )
    worker: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9_-]{0,32}$",
        description="name of this worker, the same from start to start; each of a group needs its own",
    )
    max_message_bytes: int = Field(default=262_144, gt=0, description="a longer message is refused as too_large")
    max_age_days: int = Field(default=800, gt=0, description="an older reading is refused as too_old")
    batch_messages: int = Field(default=10_000, gt=0, description="messages in one batch, about")
    batch_bytes: int = Field(default=1_048_576, gt=0, description="bytes of messages in one batch, about")
    batch_age_s: float = Field(
        default=0.005, gt=0, description="seconds that a message waits for others to join its batch"
    )
    settle_s: float = Field(
        default=0.2,
        gt=0,
        description="seconds between two settlements: newest readings, senders' numbers, our acks, events",
    )
    plain_mqtt: bool = Field(
        default=False, description="receive by paho as it comes, slower: for a release of it that was not looked at"
    )
    buffer_age_s: float = Field(
        default=120.0, gt=0, description="seconds that a message may wait to be stored; then none is taken any more"
    )
    buffer_messages: int = Field(default=40_000, gt=0, le=65_535, description="messages received and not yet stored")
    buffer_bytes: int = Field(default=67_108_864, gt=0, description="bytes received and not yet stored")
    book_refresh_s: float = Field(default=30.0, gt=0, description="seconds after which known meters are read again")
    session_expiry_s: int = Field(default=604_800, gt=0, description="seconds that an MQTT 5 broker keeps our session")
    keepalive_s: int = Field(default=60, gt=0, description="seconds between signs of life on the broker's line")
    command_poll_s: float = Field(default=0.25, gt=0, description="seconds between looks for commands to send")
    command_resend_s: float = Field(default=5.0, gt=0, description="seconds until an unanswered command is sent again")
    command_max_sends: int = Field(default=20, gt=0, description="times that a command is sent, at most")
    gap_look_s: float = Field(
        default=5.0, gt=0, description="seconds between looks for silent meters and for gaps to ask meters about"
    )
    backfill_grace_s: float = Field(
        default=900.0, ge=0, description="seconds of utility time that a gap has to fill by itself before it is asked"
    )
    backfill_kept_days: int = Field(default=40, gt=0, description="days that meters remember what they showed")
    backfill_open: int = Field(default=50, gt=0, description="meters asked for readings at one time, in all")
    backfill_open_per_sender: int = Field(
        default=4, gt=0, description="meters asked at one time through one sender that is heard; else one"
    )
    database_deadline_s: float = Field(
        default=60.0, gt=0, description="seconds after which a database that does not answer is given up"
    )
    metrics_port: int | None = Field(
        default=None, description="port for /metrics, /healthz and /readyz on this machine; none is opened without it"
    )

    @model_validator(mode="after")
    def _workers_are_named(self) -> Self:
        if self.share and not self.worker:
            raise ValueError("a group of workers needs a name for each: set SUIDEN_GATEWAY_WORKER too")
        return self

    @property
    def filters(self) -> tuple[str, ...]:
        """What to subscribe to at the broker: by ourselves, or as one of a group."""
        if not self.share:
            return self.subscriptions
        return tuple(f"$share/{self.share}/{topic}" for topic in self.subscriptions)

    @property
    def process(self) -> str:
        """The name under which this worker's heartbeat is kept."""
        return f"{PROCESS}:{self.worker}" if self.worker else PROCESS
