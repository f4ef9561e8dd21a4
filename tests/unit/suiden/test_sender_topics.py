"""A sender may say what it has to say in each of our own formats, on its own topics alone."""

from pathlib import Path

import pytest

from ingest_gateway.domain.decoders import FORMATS
from suiden.embedded.access import SENDER_RULES, AccessFiles, write_files
from suiden.torture.decoders import samples

OWN = [known.name for known in FORMATS if known.device_level is None]


@pytest.fixture
def access(tmp_path: Path) -> AccessFiles:
    passwords, acl = tmp_path / "mqtt_passwords", tmp_path / "mqtt_access"
    write_files(logins=[], rules=SENDER_RULES, password_file=passwords, acl_file=acl)
    return AccessFiles(password_file=passwords, acl_file=acl)


@pytest.mark.parametrize("name", OWN)
def test_each_of_our_formats_may_be_published_by_its_sender_alone(access: AccessFiles, name: str) -> None:
    for topic in {sample.topic for sample in samples(name)}:
        sender = topic.split("/")[3]
        assert access.allows(name=sender, topic=topic, access="write")
        assert not access.allows(name="another", topic=topic, access="write")
        assert not access.allows(name=sender, topic=topic, access="read")
