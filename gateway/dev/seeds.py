"""Who and what is there when one starts to develop. Sown by `dorami dev` and the browser tests, never in production."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

from gateway.metrics import Metrics
from gateway.postgres.database import Database
from gateway.security.passwords import Passwords
from gateway.security.principal import Role
from gateway.services.rooms.log import open_rooms
from gateway.settings import Settings, SettingsError
from models.main.product import Product
from models.main.stream import Stream, StreamStatus
from models.main.user import User

PASSWORD = "dorami-dev"  # noqa: S105  of all of them, on purpose: it is printed at every start
STREAM = "demo"


class Person(NamedTuple):
    """One account."""

    email: str
    username: str
    role: Role


HOST = Person("host@example.com", "Hana", Role.HOST)
PEOPLE = (
    Person("admin@example.com", "Ada", Role.ADMIN),
    HOST,
    Person("viewer1@example.com", "Mina", Role.USER),
    Person("viewer2@example.com", "Joon", Role.USER),
    Person("viewer3@example.com", "Sora", Role.USER),
)


class Goods(NamedTuple):
    """One product."""

    name: str
    price: str  # in won, the currency of a shop that sets none
    original_price: str | None
    discount_rate: int  # percent
    stock: int
    description: str


GOODS = (
    Goods("Celadon tea cup", "24000", "30000", 20, 40, "Thrown and glazed by hand in Icheon. Holds 180 ml."),
    Goods("Linen apron", "39000", None, 0, 25, "Washed linen with two deep pockets; one size, ties at the back."),
    Goods("Jeju tangerine jam", "9500", "11000", 14, 60, "Tangerines, cane sugar, a little lemon. 220 g."),
    Goods("Walnut cutting board", "54000", "72000", 25, 12, "One piece of walnut, 38 by 24 cm, oiled."),
    Goods("Brass chopsticks, two pairs", "28000", None, 0, 30, "Forged brass, 23 cm, with a rest for each pair."),
    Goods("Moon jar lamp", "89000", "119000", 25, 4, "Porcelain in the shape of a moon jar, dimmable. The last few."),
)


async def sow(settings: Settings) -> bool:
    """Make what is missing of the accounts, the live stream and its products; whether anything was.

    Raises SettingsError in production, and Unavailable.
    """
    if settings.production:
        raise SettingsError(["APP_ENV: the seeds and their password exist only in development"])
    database = Database(settings, Metrics())
    await database.open()
    try:
        people = await _people(database)
        return await _stream(database) or people
    finally:
        await database.close()


async def present(settings: Settings) -> tuple[int, int]:
    """Return how many of the accounts, streams and products are there, of how many. Raises Unavailable."""
    database = Database(settings, Metrics())
    await database.open()
    try:
        async with database.guard("seeds.present"):
            people = await User.filter(email__in=[person.email for person in PEOPLE]).count()
            streams = await Stream.filter(key=STREAM).count()
            goods = await Product.filter(stream_id=STREAM, name__in=[goods.name for goods in GOODS]).count()
    finally:
        await database.close()
    return people + streams + min(goods, len(GOODS)), len(PEOPLE) + 1 + len(GOODS)


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


async def _stream(database: Database) -> bool:
    async with database.guard("seeds.stream"), database.transaction():
        host = await User.get(email=HOST.email)
        stream, fresh = await Stream.get_or_create(
            {
                "title": "Dorami demo: things for the kitchen",
                "description": "A live stream for trying things out.",
                "host": host,
                "status": StreamStatus.LIVE.value,
                "started_at": datetime.now(UTC),
            },
            key=STREAM,
        )
        if fresh:
            await open_rooms(STREAM)
            await Product.bulk_create(_product(stream, place, goods) for place, goods in enumerate(GOODS))
    return fresh


def _product(stream: Stream, place: int, goods: Goods) -> Product:
    return Product(
        stream=stream,
        name=goods.name,
        description=goods.description,
        price=Decimal(goods.price),
        original_price=Decimal(goods.original_price) if goods.original_price else None,
        discount_rate=goods.discount_rate,
        stock=goods.stock,
        sort_order=place,
        is_new=place == 0,
    )
