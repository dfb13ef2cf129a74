"""Encrypts and decrypts the files of a backup with age. Called after a backup is made and before one is read."""

from collections.abc import Sequence
from pathlib import Path

import pyrage
from pyrage.x25519 import Identity, Recipient

from gateway.backup.manifest import files
from gateway.data.stops import Code, Stop

SUFFIX = ".age"


def recipients(texts: Sequence[str]) -> list[Recipient]:
    """Read public keys (`age1…`). Raises Stop."""
    try:
        return [Recipient.from_str(text) for text in texts]
    except pyrage.RecipientError:
        raise Stop("--recipient: is not a public key of age, which begins with age1", code=Code.USAGE) from None


def seal(folder: Path, to: Sequence[Recipient]) -> None:
    """Encrypt every file of a backup for these recipients; the plain files are deleted."""
    for path in files(folder):
        pyrage.encrypt_file(str(path), str(path) + SUFFIX, list(to))
        path.unlink()


def unseal(folder: Path, into: Path, identity: Path | None) -> None:
    """Decrypt every file of a backup into another folder with the identities of a file. Raises Stop."""
    if identity is None:
        raise Stop("the backup is encrypted: say --identity FILE, the file of the secret key", code=Code.USAGE)
    try:
        lines = [line.strip() for line in identity.read_text().splitlines()]
        keys = [Identity.from_str(line) for line in lines if line and not line.startswith("#")]
    except OSError as error:
        raise Stop(f"--identity: {error.strerror}", code=Code.USAGE) from None
    except pyrage.IdentityError:
        raise Stop(
            "--identity: has no secret key of age, which begins with AGE-SECRET-KEY-1", code=Code.USAGE
        ) from None
    for path in files(folder):
        plain = into / path.relative_to(folder).with_suffix("") if path.suffix == SUFFIX else None
        if plain is None:
            continue
        plain.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            pyrage.decrypt_file(str(path), str(plain), keys)
        except pyrage.DecryptError:
            raise Stop(f"{path.name} cannot be decrypted: it was made for another key, or is damaged") from None
