"""A certificate authority of one's own for the broker's line, made by `openssl`."""

import secrets
import shutil
import subprocess
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path

AUTHORITY_DAYS = 3_650
KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


class CertificateImpossible(Exception):
    """A certificate cannot be made; the message says why."""


def make_authority(folder: Path, *, name: str) -> Path:
    """Make an authority's key and certificate, `ca.key` and `ca.crt`; what is there is never overwritten.

    :raises CertificateImpossible: if there is one already, or `openssl` fails
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    key, certificate = _free(folder / "ca.key", folder / "ca.crt")
    extensions = ("basicConstraints=critical,CA:TRUE,pathlen:0", "keyUsage=critical,keyCertSign,cRLSign")
    added = [part for extension in extensions for part in ("-addext", extension)]
    _openssl(
        ["req", "-x509", "-new", *KEY, "-keyout", str(key), "-out", str(certificate), "-days", str(AUTHORITY_DAYS),
         "-subj", f"/CN={_plain(name)}", *added]
    )  # fmt: skip
    key.chmod(0o600)
    return certificate


def make_certificate(folder: Path, *, name: str, hosts: Sequence[str] = (), days: int) -> Path:
    """Make `NAME.key` and `NAME.crt`, signed by the folder's authority: of a sender, or with `hosts` of the broker.

    :raises CertificateImpossible: if there is no authority, or one of this name is there, or `openssl` fails
    """
    if not (folder / "ca.key").exists():
        raise CertificateImpossible(f"there is no {folder / 'ca.key'}: make it with `suiden broker authority {folder}`")
    key, certificate = _free(folder / f"{_plain(name)}.key", folder / f"{_plain(name)}.crt")
    request = _openssl(["req", "-new", *KEY, "-keyout", str(key), "-subj", f"/CN={name}"])
    key.chmod(0o600)
    names = ",".join(f"{'IP' if _is_address(host) else 'DNS'}:{host}" for host in hosts)
    extensions = folder / f".{name}.{secrets.token_hex(4)}.extensions"
    try:
        extensions.write_text(
            "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n"
            + (f"extendedKeyUsage=serverAuth\nsubjectAltName={names}\n" if hosts else "extendedKeyUsage=clientAuth\n")
        )
        signed = _openssl(
            ["x509", "-req", "-CA", str(folder / "ca.crt"), "-CAkey", str(folder / "ca.key"), "-days", str(days),
             "-set_serial", str(secrets.randbits(159) | 1), "-extfile", str(extensions)],
            given=request,
        )  # fmt: skip
    except CertificateImpossible:
        key.unlink()
        raise
    finally:
        extensions.unlink(missing_ok=True)
    certificate.write_text(signed)
    return certificate


def _free(*paths: Path) -> tuple[Path, ...]:
    for path in paths:
        if path.exists():
            raise CertificateImpossible(f"{path} is there already: move it away first, if a new one is wanted")
    return paths


def _plain(name: str) -> str:
    """A name of a sender or of a broker: it becomes the certificate's common name, and a file's."""
    if (
        not name
        or len(name) > 64
        or not all(letter.isascii() and (letter.isalnum() or letter in "._- ") for letter in name)
    ):
        raise CertificateImpossible(
            f"{name!r} is no name for a certificate: letters, digits and . _ - only, 64 at most"
        )
    return name


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _openssl(arguments: Sequence[str], *, given: str = "") -> str:
    program = shutil.which("openssl")
    if program is None:
        raise CertificateImpossible("`openssl` is not installed here: apt install openssl")
    done = subprocess.run([program, *arguments], input=given, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CertificateImpossible(f"openssl {arguments[0]}: {done.stderr.strip().splitlines()[-1:]}")
    return done.stdout
