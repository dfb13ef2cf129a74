"""Replays over two nodes and two workers, with the real ffmpeg and the official client; workers die and stop."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from gateway.dev.servers import RedisProcess
from tests.client.client import Client
from tests.client.socket import ClientSocket
from tests.cluster.shop import Person, Shop, open_shop
from tests.support import Databases, Keyspaces, Worker, record, slow_ffmpeg
from tests.timing import until

UPDATE = "job:update"


class Studio:
    """A shop with an ended stream, its recordings, and workers."""

    def __init__(self, shop: Shop, workers: list[Worker], media: Path, admin: Person, key: str) -> None:
        self.shop = shop
        self.workers = workers
        self.media = media
        self.admin = admin
        self.key = key

    async def create(self, source: str, **fields: Any) -> str:
        body = {"kind": "replay", "streamKey": self.key, "source": source} | fields
        job = await self.shop.request("POST", "/jobs", body=body, token=self.admin.token, status={202})
        assert job["status"] == "QUEUED"
        return str(job["id"])

    async def job(self, job_id: str, method: str = "GET", status: int = 200) -> dict[str, Any]:
        job: dict[str, Any] = await self.shop.request(
            method, f"/jobs/{job_id}", token=self.admin.token, node=1, status={status}
        )
        return job

    async def receive(
        self, socket: ClientSocket, job_id: str, *states: str, within: float = 30
    ) -> list[dict[str, Any]]:
        """Return the events of a job on a socket until the job has one of these states."""
        received: list[dict[str, Any]] = []
        while not received or received[-1]["status"] not in states:
            published = await socket.expect(UPDATE, id=job_id, within=within)
            assert set(published["data"]) == {"id", "kind", "progress", "status", "detail"}
            received.append(published["data"])
        return received

    @property
    def busy(self) -> Worker:
        """The worker that has an ffmpeg process."""
        return next(worker for worker in self.workers if worker.running and converting(worker))


def converting(worker: Worker) -> list[psutil.Process]:
    """Return the ffmpeg processes of a worker."""
    return [child for child in psutil.Process(worker.pid).children(recursive=True) if "ffmpeg" in child.name()]


async def ended_stream(shop: Shop, workers: list[Worker], media: Path) -> Studio:
    """Return a stream that is over, and the admin who makes replays of it."""
    admin, key = await shop.person("ADMIN"), await shop.stream()
    for step in ("start", "stop"):
        await shop.request("POST", f"/streams/{key}/{step}", token=admin.token, status={200})
    return Studio(shop, workers, media, admin, key)


@pytest.fixture(scope="module")
async def studio(
    client: Client, databases: Databases, keyspaces: Keyspaces, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Studio]:
    database_url, redis_url = await databases.migrated(), keyspaces.fresh()
    folder = tmp_path_factory.mktemp("studio")
    media = folder / "media"
    record(media / "long.mp4", 24)
    async with open_shop(client, folder, database_url, redis_url) as shop:
        environment = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "FFMPEG": slow_ffmpeg(folder)}
        workers = [Worker(folder, media, **environment) for _ in range(2)]
        await asyncio.gather(*(worker.start() for worker in workers))
        yield await ended_stream(shop, workers, media)
        await asyncio.gather(*(worker.stop() for worker in workers if worker.running))


async def test_a_replay_is_made_and_its_progress_is_broadcast(studio: Studio) -> None:
    near, far = [await studio.shop.connect(studio.admin, "/", node=node) for node in (0, 1)]
    job_id = await studio.create("long.mp4", renditions=["720p", "360p"], **{"from": 1, "to": 13})
    received = await studio.receive(near, job_id, "DONE")
    progress = [update["progress"] for update in received]
    assert progress == sorted(progress)
    assert any(0 < part < 100 for part in progress), "real progress, not only the end"
    assert (received[-1]["progress"], received[-1]["detail"]) == (100, "Done")
    assert await studio.receive(far, job_id, "DONE") == received
    job = await studio.job(job_id)
    assert (job["status"], job["progress"], job["result"]["duration"]) == ("DONE", 100, 12)
    for file in job["result"]["files"]:
        made = studio.media / file["path"]
        assert made.stat().st_size == file["size"] > 1000
    assert [file["rendition"] for file in job["result"]["files"]] == ["720p", "360p"]


async def test_job_errors_contain_no_paths(studio: Studio) -> None:
    socket = await studio.shop.office(studio.admin)
    job_id = await studio.create("none.mp4")
    received = await studio.receive(socket, job_id, "FAILED")
    assert received[-1]["detail"] == (await studio.job(job_id))["detail"] == "There is no such source"
    shop, body = studio.shop, {"kind": "replay", "streamKey": studio.key, "source": "long.mp4"}
    for person in (await shop.person(), await shop.person("HOST"), shop.guest()):
        await shop.request("POST", "/jobs", body=body, token=person.token, status={403})
        await shop.request("GET", f"/jobs/{job_id}", token=person.token, status={403})
    wrong = {"source": "../etc/passwd"}
    await shop.request("POST", "/jobs", body=body | wrong, token=studio.admin.token, status={400})
    live = {"streamKey": await shop.stream()}
    await shop.request("POST", "/jobs", body=body | live, token=studio.admin.token, status={409})


async def test_a_cancelled_job_ends_its_ffmpeg_within_two_seconds(studio: Studio) -> None:
    socket = await studio.shop.connect(studio.admin, "/", node=1)
    job_id = await studio.create("long.mp4", renditions=["1080p", "720p", "480p"])
    await studio.receive(socket, job_id, "RUNNING")
    await socket.expect(UPDATE, lambda published: published["data"]["progress"] > 0, id=job_id, within=10)
    process = converting(studio.busy)[0]
    cancelled = await studio.job(job_id, "DELETE")
    assert (cancelled["status"], cancelled["detail"]) == ("CANCELLED", "Cancelled")
    await until(lambda: not process.is_running(), within=2)
    received = await studio.receive(socket, job_id, "CANCELLED")
    assert received[-1]["status"] == "CANCELLED"
    assert list((studio.media / "replays" / studio.key).glob(f"*{job_id}*")) == []


async def test_a_job_survives_its_worker(studio: Studio) -> None:
    socket = await studio.shop.office(studio.admin)
    job_id = await studio.create("long.mp4", renditions=["720p", "480p", "360p"], to=10)
    await socket.expect(UPDATE, lambda published: published["data"]["progress"] > 0, id=job_id, within=10)
    victim = studio.busy
    process = converting(victim)[0]
    await victim.kill()
    await until(lambda: not process.is_running(), what="ffmpeg dies with its worker")
    received = await studio.receive(socket, job_id, "DONE")
    states = [update["status"] for update in received]
    assert states.count("QUEUED") == 1, "it waited for another worker"
    assert states.count("DONE") == 1
    assert received[states.index("QUEUED")]["progress"] == 0, "progress starts again"
    made = sorted(path.name for path in (studio.media / "replays" / studio.key).glob(f"*{job_id}*"))
    assert made == [f"{job_id}-{rendition}.mp4" for rendition in ("360p", "480p", "720p")]


async def test_a_stopped_worker_hands_its_job_to_another(studio: Studio) -> None:
    for worker in studio.workers:
        if not worker.running:
            await worker.start()
    socket = await studio.shop.office(studio.admin)
    job_id = await studio.create("long.mp4", renditions=["480p", "360p"], to=10)
    await studio.receive(socket, job_id, "RUNNING")
    await until(lambda: any(converting(worker) for worker in studio.workers))
    assert await studio.busy.stop() == 0
    received = await studio.receive(socket, job_id, "DONE")
    assert [update["status"] for update in received if update["status"] != "RUNNING"] == ["QUEUED", "DONE"]


async def test_the_end_of_a_job_is_broadcast_after_a_redis_outage(
    client: Client, database_url: str, own_redis: RedisProcess, tmp_path: Path
) -> None:
    media = tmp_path / "media"
    record(media / "long.mp4", 12)
    worker = Worker(tmp_path, media, DATABASE_URL=database_url, REDIS_URL=own_redis.url, FFMPEG=slow_ffmpeg(tmp_path))
    async with open_shop(client, tmp_path, database_url, own_redis.url, size=1) as shop, worker:
        studio = await ended_stream(shop, [worker], media)
        socket = await shop.office(studio.admin)
        job_id = await studio.create("long.mp4", to=10)
        await studio.receive(socket, job_id, "RUNNING")
        own_redis.kill()

        async def done() -> bool:
            job = await shop.request("GET", f"/jobs/{job_id}", token=studio.admin.token, status={200})
            return bool(job["status"] == "DONE")

        await until(done, within=20, pause=0.1, what="the end of the conversion")
        own_redis.start()
        received = await studio.receive(socket, job_id, "DONE")
        assert received[-1]["progress"] == 100
        again = await studio.create("long.mp4", to=1)
        await studio.receive(socket, again, "DONE")
