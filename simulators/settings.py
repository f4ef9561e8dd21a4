"""What the town's process is told from outside."""

from datetime import date, datetime
from pathlib import Path

from pydantic import BaseModel, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from kernel.clock import Anchor
from simulators.town import DEFAULT_SEED, DEFAULT_START

ROOT = Path(__file__).resolve().parent.parent


class ClockSetting(BaseModel):
    """When utility time was what, and how fast it runs."""

    wall_anchor: datetime
    utility_anchor: datetime
    rate: float = 1.0
    running: bool = True

    def anchor(self) -> Anchor:
        return Anchor(self.wall_anchor, self.utility_anchor, self.rate, self.running)


class TownSettings(BaseSettings):
    """Settings of the simulated town."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    mqtt_url: str = Field(description="broker address, with the login for the town's control topic")
    clock: ClockSetting = Field(
        alias="SUIDEN_CLOCK",
        description='JSON {"wall_anchor", "utility_anchor", "rate"} that devices set their clocks by',
    )
    meter_password: str = Field(
        default="",
        alias="SUIDEN_METER_PASSWORD",
        description="password of the simulated senders; empty: that of MQTT_URL",
    )
    utility: str = Field(default="hinode", alias="SUIDEN_UTILITY", description="code of the utility in topics")
    data_dir: Path = Field(
        default=ROOT / ".suiden",
        alias="SUIDEN_DATA_DIR",
        description="folder for the town's memory and the bank's files",
    )
    web_url: str = Field(
        default="http://127.0.0.1:8080", alias="SUIDEN_WEB_URL", description="where people find the web application"
    )
    robot_password: str = Field(
        default="",
        alias="SUIDEN_ROBOT_PASSWORD",
        description="password of the robots' logins; empty: no robots at work",
    )
    crew_works: bool = Field(
        default=True, alias="SUIDEN_TOWN_CREW", description="the robot crew takes tickets that nobody took"
    )
    residents_pay: bool = Field(
        default=True, alias="SUIDEN_TOWN_RESIDENTS", description="residents come to the counter and pay"
    )
    card_secret: str = Field(
        default="", alias="SUIDEN_CARD_SECRET", description="key by which webhooks are signed; empty: no card provider"
    )
    card_host: str = Field(
        default="127.0.0.1", alias="SUIDEN_CARD_HOST", description="address that the card provider listens on"
    )
    card_port: int = Field(default=8090, alias="SUIDEN_CARD_PORT", description="port of the card provider")
    mail_port: int = Field(
        default=0, alias="SUIDEN_TOWN_MAIL_PORT", description="port of the town's mail server; 0: there is none"
    )
    seed: int = Field(default=DEFAULT_SEED, alias="SUIDEN_TOWN_SEED", description="which town it is")
    starts_on: date = Field(
        default=DEFAULT_START, alias="SUIDEN_TOWN_START", description="first day that the town lives"
    )
    points_per_service: int = Field(
        default=300, alias="SUIDEN_TOWN_POINTS", description="how many water and how many power points it has"
    )
    loss: float = Field(
        default=0.0, ge=0, le=1, alias="SUIDEN_TOWN_LOSS", description="share of messages lost on the air"
    )
    twice: float = Field(default=0.0, ge=0, le=1, alias="SUIDEN_TOWN_TWICE", description="share of messages sent twice")
