"""What the web process is told from outside."""

from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from ingest_gateway.operations import DEFAULT_BRIDGES, BridgeSetting

Surface = Literal["all", "customer", "staff", "handheld"]


class WebSettings(BaseSettings):
    """Read once where the process starts, then handed to `create_app`."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    database_url: str = Field(description="PostgreSQL address, postgresql://user:password@host:port/name")
    utility: str = Field(default="hinode", validation_alias="SUIDEN_UTILITY", description="Code of the utility served")
    surface: Surface = Field(default="all", validation_alias="SUIDEN_SURFACE", description="Which pages are served")
    host: str = Field(default="127.0.0.1", validation_alias="SUIDEN_HOST", description="Address to listen on")
    port: int = Field(default=8080, validation_alias="PORT", ge=1, le=65535, description="Port to listen on")
    https: bool = Field(
        default=False,
        validation_alias="SUIDEN_HTTPS",
        description="True where people reach the pages over HTTPS: cookies are then marked Secure",
    )
    public_url: str = Field(
        default="",
        validation_alias="SUIDEN_PUBLIC_URL",
        description="Address that others reach us at, for the card provider's way back; by default that of the request",
    )
    card_url: str = Field(
        default="",
        validation_alias="SUIDEN_CARD_URL",
        description="The card provider's address; empty: no card payments",
    )
    card_secret: SecretStr | None = Field(
        default=None,
        validation_alias="SUIDEN_CARD_SECRET",
        description="Key shared with the card provider, for its messages",
    )
    demo: bool = Field(
        default=False,
        validation_alias="SUIDEN_DEMO",
        description="True in the demo: the sign-in page lists the demo's logins",
    )
    stream_limit_s: float = Field(
        default=600.0,
        validation_alias="SUIDEN_STREAM_LIMIT_S",
        gt=0,
        description="Seconds after which a live stream ends: the browser asks again, and its rights are checked again",
    )
    stream_check_s: float = Field(
        default=15.0,
        validation_alias="SUIDEN_STREAM_CHECK_S",
        gt=0,
        description="Seconds between checks that those who have live streams open may still see what they show",
    )
    refreshes_per_s: float = Field(
        default=10.0,
        validation_alias="SUIDEN_REFRESHES_PER_S",
        gt=0,
        description="Fragments a second that pages are told to ask for again because of readings, over all of them",
    )
    bridges: BridgeSetting = Field(
        default=dict(DEFAULT_BRIDGES),
        validation_alias="SUIDEN_GATEWAY_BRIDGES",
        description="What the gateway is told of who speaks; a replay of refused messages needs the same",
    )
