"""The seeds: made once, complete, and never in production."""

import pytest

from gateway.metrics import Metrics
from gateway.postgres.database import Database
from gateway.security.passwords import Passwords
from gateway.seeds import large
from gateway.seeds import main as seeds
from gateway.settings import SettingsError
from models.main.message import Message
from models.main.order import Order
from models.main.product import Product
from models.main.stream import Stream
from models.main.user import User
from tests.support import make_settings


async def test_seeds_are_made_once(database_url: str) -> None:
    settings = make_settings(database_url=database_url)
    assert await seeds.sow(settings)
    assert not await seeds.sow(settings), "the second time nothing is missing"

    database = Database(settings, Metrics())
    await database.open()
    try:
        people = {user.email: user for user in await User.all()}
        stream = await Stream.get(key="demo")
        products = await Product.filter(stream_id="demo")
        korean = await Product.filter(stream_id="demo-ko")
    finally:
        await database.close()
    assert {email: user.role for email, user in people.items()} == {
        "admin@example.com": "ADMIN",
        "host@example.com": "HOST",
        "viewer1@example.com": "USER",
        "viewer2@example.com": "USER",
        "viewer3@example.com": "USER",
        "host-ko@example.com": "HOST",
        "viewer-ko@example.com": "USER",
    }
    assert people["host-ko@example.com"].username == "한지민"
    assert "청자 찻잔" in {product.name for product in korean}
    assert stream.status == "LIVE"
    assert len(products) == 6
    assert len({product.name for product in products}) == 6
    passwords = Passwords()
    assert await passwords.verify(people["host@example.com"].password_hash, "dorami-dev")
    passwords.close()


async def test_seeding_keeps_changed_rows(database_url: str) -> None:
    settings = make_settings(database_url=database_url)
    await seeds.sow(settings)
    database = Database(settings, Metrics())
    await database.open()
    try:
        await Product.filter(name="Linen apron").delete()
        await User.filter(email="viewer3@example.com").delete()
        await database.close()
        assert await seeds.sow(settings), "a missing account is made again"
        await database.open()
        assert await Product.filter(stream_id="demo").count() == 5, "a deleted product is not"
    finally:
        await database.close()


async def test_production_refuses_seeds() -> None:
    settings = make_settings(app_env="production", jwt_secret="a secret of more than thirty-two characters")
    with pytest.raises(SettingsError, match="only in development"):
        await seeds.sow(settings)


async def test_a_large_history_is_made_once(database_url: str) -> None:
    settings = make_settings(database_url=database_url)
    await seeds.sow(settings)
    steps = [step async for step in large.sow(settings, 650)]
    assert steps[-1] == large.Progress(650, 650, 650, 30)
    assert [step async for step in large.sow(settings, 650)][-1] == large.Progress(650, 650, 0, 0)

    database = Database(settings, Metrics())
    await database.open()
    try:
        assert await Message.all().count() == 650
        assert await Order.all().count() == 30
        shows = await Stream.filter(key__startswith="history-")
        assert len({show.started_at.date() for show in shows if show.started_at}) == large.DAYS
        (log,) = await database.query("SELECT seq FROM rooms WHERE stream_key = 'history-01' AND name LIKE '/chat %'")
        assert log["seq"] == await Message.filter(stream_id="history-01").count()
    finally:
        await database.close()
