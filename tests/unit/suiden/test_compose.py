"""docker-compose.yml, deploy/ and the Dockerfile say only what the code knows."""

import re
import shlex
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from pydantic_settings import BaseSettings
from typer.main import get_command

from customer_app.settings import WebSettings
from ingest_gateway.settings import GatewaySettings
from kernel.settings import SECRET_NAMES
from simulators.settings import TownSettings
from suiden import doctor, secret_files
from suiden.cli import app
from suiden.settings import (
    BrokerSettings,
    CheckerSettings,
    ProcessSettings,
    RetentionSettings,
    SchedulerSettings,
    variables,
)

ROOT = Path(__file__).resolve().parents[3]
SECRETS_DIR = "/run/secrets/"
SETTINGS_OF_COMMAND: dict[str, tuple[type[BaseSettings], ...]] = {
    "migrate": (ProcessSettings,),
    "gateway": (BrokerSettings, GatewaySettings),
    "checker": (CheckerSettings,),
    "scheduler": (SchedulerSettings, RetentionSettings),
    "serve": (WebSettings,),
    "simulate": (ProcessSettings, TownSettings),
    "home": (BrokerSettings,),
}
GIVEN_BY_US = {"SUIDEN_CLOCK"}  # `suiden simulate run` reads the time from the database
IMAGE = "suiden"
OURS_ALONE = "1884"  # the broker's port for our own processes, on which they choose their client ids


@cache
def compose() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def services() -> dict[str, dict[str, Any]]:
    return compose()["services"]


def ours() -> dict[str, dict[str, Any]]:
    return {name: service for name, service in services().items() if service["image"].startswith(f"{IMAGE}:")}


def dockerfile(instruction: str) -> list[str]:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    return [line.removeprefix(f"{instruction} ") for line in lines if line.startswith(f"{instruction} ")]


def mosquitto_lines(name: str) -> list[tuple[str, str]]:
    lines = (ROOT / "deploy" / name).read_text().splitlines()
    pairs = [line.split(maxsplit=1) for line in lines if line and not line.startswith("#")]
    return [(name, setting) for name, setting in pairs]


def mosquitto_settings() -> dict[str, str]:
    return dict(mosquitto_lines("mosquitto.conf"))


def mosquitto_listeners(folder: str) -> dict[str, dict[str, str]]:
    """What each port is told, by port."""
    found: dict[str, dict[str, str]] = {}
    for name, setting in mosquitto_lines(f"{folder}/listeners.conf"):
        if name == "listener":
            found[setting] = {}
        else:
            found[list(found)[-1]][name] = setting
    return found


def compose_with_tls() -> dict[str, Any]:
    """What docker-compose.tls.yml puts in the place of our own broker's."""

    class Overriding(yaml.SafeLoader):
        """Knows the word that replaces a list."""

    Overriding.add_constructor("!override", lambda loader, node: loader.construct_sequence(node))  # pyright: ignore[reportArgumentType]
    return yaml.load((ROOT / "docker-compose.tls.yml").read_text(), Overriding)["services"]["broker"]


def parse(arguments: list[str]) -> None:
    """Have `suiden` parse a command line, without running it; an unknown command or option raises."""
    command: Any = get_command(app)
    context = None
    while hasattr(command, "commands"):
        name, *arguments = arguments
        assert name in command.commands, f"`suiden` has no command {name}; it has {sorted(command.commands)}"
        command = command.commands[name]
        context = command.context_class(command, info_name=name, parent=context)
    command.make_context(command.name, list(arguments), parent=context)


def secret_of(path: str) -> str:
    assert path.startswith(SECRETS_DIR), f"{path} is no secret"
    return path.removeprefix(SECRETS_DIR)


@pytest.mark.parametrize("name", sorted(ours()))
def test_a_service_runs_a_command_that_exists(name: str) -> None:
    parse(ours()[name]["command"])


@pytest.mark.parametrize("line", [["gatway"], ["serve", "--prot", "1"], ["simulate", "walk"]])
def test_a_command_that_does_not_exist_would_be_noticed(line: list[str]) -> None:
    with pytest.raises(Exception, match=r"no command|[Nn]o such option"):
        parse(line)


@pytest.mark.parametrize("name", sorted(ours()))
def test_a_service_is_given_the_settings_that_its_command_reads(name: str) -> None:
    service = ours()[name]
    known: dict[str, bool] = {}
    for settings_class in SETTINGS_OF_COMMAND[service["command"][0]]:
        known |= variables(settings_class)
    given = {
        variable.removesuffix("_FILE") if variable.removesuffix("_FILE") in SECRET_NAMES else variable
        for variable in service["environment"]
    }
    assert given <= set(known), f"`suiden {service['command'][0]}` does not read these"
    needed = {variable for variable, is_required in known.items() if is_required}
    assert needed - GIVEN_BY_US <= given


@pytest.mark.parametrize("name", sorted(ours()))
def test_a_health_check_asks_for_a_part_that_the_doctor_knows(name: str) -> None:
    check = ours()[name].get("healthcheck")
    if check is None:
        assert name in ("migrate", "town"), f"{name} has no health check"
        return
    word, program, *arguments = check["test"]
    assert (word, program) == ("CMD", "suiden")
    parse(arguments)
    assert arguments[:2] == ["doctor", "--part"]
    part, _, worker = arguments[2].partition(":")
    assert part in (*doctor.PARTS, *doctor.OPTIONAL)
    assert worker == ours()[name]["environment"].get("SUIDEN_GATEWAY_WORKER", "")
    assert name in (part, f"{part}-{worker}")


def test_gateways_are_one_group_whose_workers_differ_in_nothing_but_their_name() -> None:
    gateways = {name: service for name, service in ours().items() if service["command"] == ["gateway"]}
    assert [name for name, service in gateways.items() if "profiles" not in service] == ["gateway"]
    assert len(gateways) >= 3
    names = [service["environment"]["SUIDEN_GATEWAY_WORKER"] for service in gateways.values()]
    assert len(set(names)) == len(gateways), "a name is a session at the broker: two of a name would end each other's"
    for name, service in gateways.items():
        assert service["environment"]["SUIDEN_GATEWAY_SHARE"], "alone, it would get all messages a second time"
        assert service.get("profiles", ["workers"]) == ["workers"], name
        alike = {key: told for key, told in service.items() if key not in ("profiles", "healthcheck", "environment")}
        assert alike == {key: told for key, told in gateways["gateway"].items() if key in alike}
        told = {**service["environment"], "SUIDEN_GATEWAY_WORKER": "1"}
        assert told == gateways["gateway"]["environment"]


@pytest.mark.parametrize("name", sorted(services()))
def test_a_service_waits_for_what_can_be_waited_for(name: str) -> None:
    for other, wanted in services()[name].get("depends_on", {}).items():
        if wanted["condition"] == "service_healthy":
            assert "healthcheck" in services()[other]
        else:
            assert wanted["condition"] == "service_completed_successfully"
            assert services()[other]["restart"] == "no", "it ends"


def test_secrets_are_files_that_the_secrets_command_makes(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    made = secret_files.make(folder, sender_names=(), database_host="database:5432", broker_host="broker:1884")
    declared = {name: entry["file"] for name, entry in compose()["secrets"].items()}
    assert declared == {name: f"./deploy/secrets/{name}" for name in made if not name.startswith("broker/")}
    assert {name for name in made if name.startswith("broker/")} == {
        secret_files.PASSWORD_FILE,
        secret_files.ACCESS_FILE,
    }
    assert "deploy/secrets" in (ROOT / ".dockerignore").read_text().splitlines(), "they stay out of the image"
    assert "deploy/secrets/" in (ROOT / ".gitignore").read_text().splitlines(), "they stay out of the repository"


@pytest.mark.parametrize("name", sorted(services()))
def test_a_secret_file_that_a_service_reads_is_handed_to_it(name: str) -> None:
    service = services()[name]
    read = {secret_of(path) for key, path in service.get("environment", {}).items() if key.endswith("_FILE")}
    assert read == set(service.get("secrets", []))


def test_the_addresses_that_are_made_name_the_services(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    defaults = {"database_host": "database:5432", "broker_host": "broker:1884"}
    secret_files.make(secrets, sender_names=(), **defaults)
    database, broker = (urlsplit((secrets / name).read_text()) for name in ("database_url", "mqtt_url"))
    environment = services()["database"]["environment"]
    assert (database.hostname, database.port) == ("database", 5432)
    assert (database.username, database.path) == (environment["POSTGRES_USER"], f"/{environment['POSTGRES_DB']}")
    assert database.password == (secrets / "database_password").read_text()
    assert (broker.hostname, str(broker.port)) == ("broker", OURS_ALONE)
    command: Any = get_command(app)
    shown = {parameter.name: parameter.default for parameter in command.commands["secrets"].params}
    assert {name: shown[name] for name in defaults} == defaults, "the command's own defaults fit the compose file"


def test_the_database_is_checked_as_it_is_made() -> None:
    database = services()["database"]
    environment = database["environment"]
    assert database["healthcheck"]["test"] == [
        "CMD",
        "pg_isready",
        f"--username={environment['POSTGRES_USER']}",
        f"--dbname={environment['POSTGRES_DB']}",
    ]
    assert "shared_preload_libraries=timescaledb" in database["command"]
    assert "synchronous_commit=on" in database["command"], "what is acknowledged is on disk"


def test_ports_are_those_that_the_processes_listen_on() -> None:
    web, town, broker = services()["web"], services()["town"], services()["broker"]
    published = {port.rsplit(":", 1)[1] for port in web["ports"]}
    assert published == {web["environment"]["PORT"], town["environment"]["SUIDEN_CARD_PORT"]}
    assert all(port.startswith("127.0.0.1:") for port in web["ports"]), "without a proxy it is for this host alone"
    assert urlsplit(town["environment"]["SUIDEN_WEB_URL"]).port == int(web["environment"]["PORT"])
    assert town["network_mode"] == "service:web"
    assert {port.rsplit(":", 1)[1] for port in broker["ports"]} == set(mosquitto_listeners("listeners")) - {OURS_ALONE}
    assert {port.rsplit(":", 1)[1] for port in compose_with_tls()["ports"]} == {"8883", "8884"}
    assert broker["healthcheck"]["test"][-1] == OURS_ALONE
    assert web["environment"]["SUIDEN_HOST"] == "0.0.0.0", "others in the container's network reach it"


def test_what_must_last_is_in_a_volume() -> None:
    volumes = {name: [mount.split(":") for mount in service.get("volumes", [])] for name, service in services().items()}
    named = {mount[0] for mounts in volumes.values() for mount in mounts if not mount[0].startswith(".")}
    assert named == set(compose()["volumes"])
    assert ["database", "/var/lib/postgresql/data"] in volumes["database"]
    kept = mosquitto_settings()["persistence_location"].rstrip("/")
    assert ["broker", kept] in volumes["broker"]
    (environment,) = dockerfile("ENV")
    data_dir = dict(pair.split("=", 1) for pair in shlex.split(environment))["SUIDEN_DATA_DIR"]
    assert all(["suiden-files", data_dir] in volumes[name] for name in ours()), "the rest of the container is read-only"


@pytest.mark.parametrize("name", sorted(services()))
def test_files_that_are_mounted_are_in_the_repository(name: str) -> None:
    for mount in services()[name].get("volumes", []):
        source, _, _ = mount.partition(":")
        is_made = source.startswith("./deploy/secrets/")
        assert is_made or not source.startswith(".") or (ROOT / source).exists(), f"{source} is missing"


def test_the_broker_keeps_what_it_took() -> None:
    known = mosquitto_settings()
    assert known["persistence"] == "true"
    assert int(known["max_queued_messages"]) >= 100_000, "0 would say no limit, and then 2.0 disconnects senders"
    assert known["max_queued_bytes"] == "0"
    assert known["allow_anonymous"] == "false"
    assert int(known["autosave_interval"]) <= 60


@pytest.mark.parametrize("folder", ["listeners", "listeners-tls"])
def test_a_sender_cannot_choose_its_client_id_on_any_port_that_it_reaches(folder: str) -> None:
    ports = mosquitto_listeners(folder)
    assert "use_username_as_clientid" not in ports.pop(OURS_ALONE)
    assert ports
    assert all(told["use_username_as_clientid"] == "true" for told in ports.values())


def test_with_tls_no_port_that_leaves_the_host_is_without_it() -> None:
    ports = mosquitto_listeners("listeners-tls")
    assert set(ports) == {OURS_ALONE, "8883", "8884"}
    assert all("certfile" in ports[port] and "keyfile" in ports[port] for port in ("8883", "8884"))
    assert ports["8884"]["require_certificate"] == "true"
    assert ports["8884"]["use_identity_as_username"] == "true"


def test_the_broker_finds_what_is_mounted_for_it() -> None:
    plain = [mount.split(":")[:2] for mount in services()["broker"]["volumes"]]
    with_tls = [mount.split(":")[:2] for mount in compose_with_tls()["volumes"]]
    for mounts, listeners in ((plain, "listeners"), (with_tls, "listeners-tls")):
        assert ["./deploy/secrets/broker", "/run/access"] in mounts
        assert [f"./deploy/{listeners}", mosquitto_settings()["include_dir"]] in mounts
        assert ["./deploy/mosquitto.conf", "/mosquitto/config/mosquitto.conf"] in mounts
    told = {mosquitto_settings()["password_file"], mosquitto_settings()["acl_file"]}
    assert told == {f"/run/access/{Path(name).name}" for name in (secret_files.PASSWORD_FILE, secret_files.ACCESS_FILE)}
    files = {
        setting
        for told in mosquitto_listeners("listeners-tls").values()
        for key, setting in told.items()
        if key.endswith("file")
    }
    assert {str(Path(name).parent) for name in files} == {"/run/certificates"}
    assert ["./deploy/certificates/broker", "/run/certificates"] in with_tls
    assert "deploy/certificates/" in (ROOT / ".gitignore").read_text().splitlines(), "keys stay out of the repository"
    assert "deploy/certificates" in (ROOT / ".dockerignore").read_text().splitlines(), "they stay out of the image"


@pytest.mark.parametrize("name", sorted(ours()))
def test_a_process_has_no_power_that_it_does_not_need(name: str) -> None:
    service = ours()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]


def test_the_image_runs_as_nobody_special_and_starts_the_command() -> None:
    (user,) = dockerfile("USER")
    assert any(
        f"useradd --system --uid 10001 --home-dir /var/lib/suiden --create-home {user}" in run
        for run in dockerfile("RUN")
    )
    assert dockerfile("ENTRYPOINT") == ['["suiden"]']
    (base,) = dockerfile("FROM")
    version = re.search(r"python:3\.(\d+)", base)
    assert version is not None
    assert int(version.group(1)) >= 11


def test_images_are_pinned() -> None:
    for name, service in services().items():
        if name not in ours():
            assert re.search(r":\d+\.\d+\.\d+", service["image"]), f"{name} has no exact version"
