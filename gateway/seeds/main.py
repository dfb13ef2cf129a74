"""The small seeds: accounts, streams and products of main.toml. Sown by `dorami dev`, `dorami db seed` and tests."""

import asyncio
import tomllib
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple

from gateway.metrics import Metrics
from gateway.postgres.database import Database
from gateway.security.passwords import Passwords
from gateway.security.principal import Role
from gateway.services.rooms.log import open_rooms
from gateway.settings import Settings, SettingsError
from models.main.product import Product
from models.main.stream import Stream, StreamStatus
from models.main.user import User

DATA: Final = tomllib.loads(Path(__file__).with_suffix(".toml").read_text())
PASSWORD: Final = str(DATA["password"])
STREAM: Final = str(DATA["streams"][0]["key"])  # where one begins


class Person(NamedTuple):
    """One account."""

    email: str
    username: str
    role: Role


PEOPLE: Final = tuple(Person(person["email"], person["name"], Role(person["role"])) for person in DATA["people"])


async def sow(settings: Settings) -> bool:
    """Create the missing accounts and streams; return whether any was missing.

    Raises SettingsError in production, and Unavailable.
    """
    if settings.production:
        raise SettingsError(["APP_ENV: the seeds and their password exist only in development"])
    database = Database(settings, Metrics())
    await database.open()
    try:
        made = await _people(database)
        for stream in DATA["streams"]:
            made = await _stream(database, stream) or made
    finally:
        await database.close()
    return made


async def present(settings: Settings) -> tuple[int, int]:
    """Return how many of the accounts, streams and products exist, and how many there should be. Raises Unavailable."""
    database = Database(settings, Metrics())
    await database.open()
    try:
        async with database.guard("seeds.present"):
            found = await User.filter(email__in=[person.email for person in PEOPLE]).count()
            for stream in DATA["streams"]:
                names = [goods["name"] for goods in stream["products"]]
                found += await Stream.filter(key=stream["key"]).count()
                found += min(await Product.filter(stream_id=stream["key"], name__in=names).count(), len(names))
    finally:
        await database.close()
    return found, len(PEOPLE) + sum(1 + len(stream["products"]) for stream in DATA["streams"])


async def _people(database: Database) -> bool:
    async with database.guard("seeds.find"):
        known = {user.email for user in await User.filter(email__in=[person.email for person in PEOPLE])}
    missing = [person for person in PEOPLE if person.email not in known]
    passwords = Passwords()
    try:
        hashes = await asyncio.gather(*(passwords.hash(PASSWORD) for _ in missing))
    finally:
        passwords.close()
    users = [
        User(email=person.email, username=person.username, role=person.role.value, password_hash=hashed)
        for person, hashed in zip(missing, hashes, strict=True)
    ]
    async with database.guard("seeds.people"):
        await User.bulk_create(users, ignore_conflicts=True)
    return bool(missing)


async def _stream(database: Database, data: dict[str, Any]) -> bool:
    async with database.guard("seeds.stream"), database.transaction():
        stream, fresh = await Stream.get_or_create(
            {
                "title": data["title"],
                "description": data["description"],
                "host": await User.get(email=data["host"]),
                "status": StreamStatus.LIVE.value,
                "started_at": datetime.now(UTC),
            },
            key=data["key"],
        )
        if fresh:
            await open_rooms(stream.key)
            products = [product(stream, place, goods) for place, goods in enumerate(data["products"])]
            await Product.bulk_create(products)
    return fresh


def product(stream: Stream, place: int, goods: dict[str, Any]) -> Product:
    """Return the product of a stream that the data describe."""
    return Product(
        stream=stream,
        name=goods["name"],
        description=goods["description"],
        price=Decimal(goods["price"]),
        original_price=Decimal(goods["original_price"]) if "original_price" in goods else None,
        discount_rate=goods.get("discount_rate", 0),
        stock=goods["stock"],
        sort_order=place,
        is_new=place == 0,
    )
