"""Media with the real ffmpeg: metadata, cuts, what is refused, and that no process outlives its work."""

import asyncio
import os
import subprocess
import time
from pathlib import Path
from typing import cast

import psutil
import pytest

from gateway.dev.servers import ffmpeg
from gateway.media.errors import MediaError
from gateway.media.ffmpeg import Ffmpeg
from gateway.media.library import Library
from gateway.media.replays import Replays
from gateway.metrics import Metrics
from gateway.protocol.payloads.jobs import CreateJob
from gateway.redis.client import RedisClient
from gateway.settings import SettingsError
from tests.support import record, slow_ffmpeg
from tests.timing import allowed, until

JOB, RUN = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"


class Studio:
    """A media folder with one recording of six seconds, and what works on it."""

    def __init__(self, folder: Path, redis: RedisClient, program: str) -> None:
        self.folder = folder
        self.ffmpeg = Ffmpeg(program)
        self.library = Library(folder, self.ffmpeg, redis, Metrics(), 60.0)
        self.replays = Replays(self.library, self.ffmpeg, 60.0)
        self.published: list[float] = []

    def ask(self, **fields: object) -> CreateJob:
        body = {"kind": "replay", "streamKey": "demo", "source": "live/a.mp4"}
        return CreateJob.model_validate(body | fields)

    async def made(self, **fields: object) -> dict[str, object]:
        return (await self.replays.make(JOB, RUN, self.ask(**fields), self.published.append)).model_dump()

    async def fails(self, **fields: object) -> str:
        with pytest.raises(MediaError) as caught:
            await self.made(**fields)
        return str(caught.value)

    @property
    def files(self) -> list[str]:
        return sorted(path.name for path in (self.folder / "replays" / "demo").glob("*"))


def children() -> list[psutil.Process]:
    """Return the ffmpeg processes of this one."""
    return [child for child in psutil.Process().children(recursive=True) if "ffmpeg" in child.name()]


@pytest.fixture
def studio(tmp_path: Path, redis: RedisClient) -> Studio:
    record(tmp_path / "live" / "a.mp4", 6)
    return Studio(tmp_path, redis, str(ffmpeg()))


async def test_a_cut_is_made_in_several_renditions(studio: Studio) -> None:
    replay = await studio.made(**{"from": 1, "to": 3.5, "renditions": ["360p", "480p"]})
    assert replay["duration"] == pytest.approx(2.5, abs=0.1)
    assert studio.files == [f"{JOB}-360p.mp4", f"{JOB}-480p.mp4"]
    for name in studio.files:
        made = await studio.library.metadata(studio.library.source(f"replays/demo/{name}"))
        assert made.duration == pytest.approx(2.5, abs=0.1)
        assert (made.video_codec, made.audio_codec) == ("h264", "aac")
        assert (made.width, made.height) == (320, 240), "no picture becomes larger than it was"
    assert studio.published == sorted(studio.published)
    assert studio.published[-1] == pytest.approx(1.0, abs=0.05)
    assert children() == []


async def test_a_cut_without_an_end_ends_with_the_recording(studio: Studio) -> None:
    assert (await studio.made())["duration"] == pytest.approx(6.0, abs=0.1)
    assert (await studio.made(**{"from": 5, "to": 100}))["duration"] == pytest.approx(1.0, abs=0.1)


async def test_impossible_cuts_have_readable_errors(studio: Studio) -> None:
    (studio.folder / "live" / "text.mp4").write_text("this is no recording")
    # What a playlist names is never opened, whatever the playlist is called.
    (studio.folder / "live" / "list.mp4").write_text("#EXTM3U\n#EXTINF:6,\na.mp4\n#EXT-X-ENDLIST\n")
    (studio.folder / "live" / "script.mp4").write_text("ffconcat version 1.0\nfile a.mp4\n")
    outside = studio.folder.parent / "outside.mp4"
    outside.write_bytes((studio.folder / "live" / "a.mp4").read_bytes())
    (studio.folder / "live" / "link.mp4").symlink_to(outside)
    (studio.folder / "live" / "loop.mp4").symlink_to(studio.folder / "live" / "loop.mp4")
    no_recording = "The source is not a recording that can be read"
    for name in ("text", "list", "script"):
        assert await studio.fails(source=f"live/{name}.mp4") == no_recording
    for name in ("live/none.mp4", "live", "live/link.mp4", "live/loop.mp4", "concat:a|b"):
        assert await studio.fails(source=name) == "There is no such source"
    assert await studio.fails(**{"from": 7}) == "The cut begins after the end of the recording"
    assert not (studio.folder / "replays").exists() or studio.files == []


@pytest.mark.parametrize(
    "fields",
    [
        {"source": "../a.mp4"},
        {"source": "live/../../a.mp4"},
        {"source": "/etc/passwd"},
        {"source": "http://example.com/a.mp4"},
        {"source": "live\\a.mp4"},
        {"source": "live/a\n.mp4"},
        {"source": ""},
        {"from": 3, "to": 3},
        {"from": 3, "to": 3.00001},
        {"from": -1},
        {"to": float("inf")},
        {"renditions": []},
        {"renditions": ["720p", "720p"]},
        {"renditions": ["721p"]},
        {"kind": "shell"},
        {"streamKey": "../demo"},
        {"arguments": ["-y"]},
    ],
)
def test_invalid_replay_requests_are_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        CreateJob.model_validate({"kind": "replay", "streamKey": "demo", "source": "live/a.mp4"} | fields)


async def test_cancelled_work_leaves_no_files(tmp_path: Path, redis: RedisClient) -> None:
    record(tmp_path / "live" / "a.mp4", 20)
    studio = Studio(tmp_path, redis, slow_ffmpeg(tmp_path))
    work = asyncio.create_task(studio.made())
    await until(lambda: studio.published, within=10)
    begun = time.monotonic()
    work.cancel()
    await asyncio.wait([work])
    assert work.cancelled()
    assert time.monotonic() - begun < allowed(2)
    assert children() == []
    assert studio.files == []
    with pytest.raises(MediaError, match="It took too long"):
        await studio.ffmpeg.convert(["-f", "lavfi", "-i", "testsrc", "-f", "null", "-"], 0.5)
    assert children() == []


async def test_files_of_a_dead_worker_are_deleted(studio: Studio) -> None:
    await studio.made()
    folder = studio.folder / "replays" / "demo"
    left, fresh = (folder / f".{JOB}-{height}-{RUN}.part" for height in ("720p", "480p"))
    for part in (left, fresh):
        part.write_bytes(b"unfinished")
    for old in (left, folder / f"{JOB}-720p.mp4"):
        os.utime(old, (time.time() - 61, time.time() - 61))  # a run has 60 s
    asked: list[set[str]] = []

    async def came_to_nothing(jobs: set[str]) -> set[str]:
        asked.append(jobs)
        return jobs if len(asked) > 1 else set()

    await studio.replays.tidy(came_to_nothing)
    assert studio.files == sorted([fresh.name, f"{JOB}-720p.mp4"])
    await studio.replays.tidy(came_to_nothing)
    assert studio.files == [fresh.name], "the job failed after its worker had finished the file"
    assert asked == [{JOB}, {JOB}]


async def test_metadata_is_cached_while_the_file_is_unchanged(studio: Studio, redis: RedisClient) -> None:
    source = studio.library.source("live/a.mp4")
    first = await studio.library.metadata(source)
    assert first.duration == pytest.approx(6.0, abs=0.1)
    blind = Library(studio.folder, Ffmpeg("false"), redis, Metrics(), 60.0)
    assert await blind.metadata(source) == first, "another worker finds it in Redis"
    record(source, 2)
    with pytest.raises(MediaError):
        await blind.metadata(source)
    assert (await studio.library.metadata(source)).duration == pytest.approx(2.0, abs=0.1)


def test_a_missing_program_is_a_settings_error() -> None:
    with pytest.raises(SettingsError, match="FFMPEG: there is no program no-such-ffmpeg"):
        Ffmpeg("no-such-ffmpeg")


# --- recordings as encoders leave them ------------------------------------------------------------------------------


def made_by(studio: Studio, name: str, *arguments: str) -> str:
    """Make a source with ffmpeg; its name below the media folder."""
    command = [str(ffmpeg()), "-v", "error", "-nostdin", "-y", *arguments, str(studio.folder / "live" / name)]
    subprocess.run(command, check=True)
    return f"live/{name}"


PICTURE = ("-f", "lavfi", "-i", "testsrc=size=320x240:rate=25")
TONE = ("-f", "lavfi", "-i", "sine=frequency=440")


async def test_a_truncated_recording_is_cut_as_far_as_it_goes(studio: Studio) -> None:
    whole = studio.folder / made_by(studio, "whole.flv", *PICTURE, "-t", "20", "-c:v", "flv")
    data = whole.read_bytes()
    (studio.folder / "live" / "cut.flv").write_bytes(data[: len(data) // 4])
    replay = await studio.made(source="live/cut.flv")
    assert replay["truncated"]
    assert cast("float", replay["duration"]) < 10
    assert not (await studio.made(source="live/whole.flv"))["truncated"]


async def test_a_recording_without_duration(studio: Studio) -> None:
    source = made_by(studio, "live.mkv", *PICTURE, "-t", "4", "-c:v", "libx264", "-f", "matroska", "-live", "1")
    path = studio.library.source(source)
    assert (await studio.ffmpeg.look(path, 0)).duration is None, "the test needs a recording without a length"
    assert (await studio.made(source=source))["duration"] == pytest.approx(4.0, abs=0.2)
    assert (await studio.made(**{"source": source, "from": 1, "to": 3}))["duration"] == pytest.approx(2.0, abs=0.2)


@pytest.mark.parametrize("size", ["16x2000", "2000x16", "33x1999"])
async def test_very_tall_and_very_wide_pictures(studio: Studio, size: str) -> None:
    source = made_by(studio, "odd.mp4", "-f", "lavfi", "-i", f"testsrc=size={size}:rate=5", "-t", "2", "-c:v", "mpeg4")
    replay = await studio.made(source=source, renditions=["360p", "1080p"])
    assert replay["duration"] == pytest.approx(2.0, abs=0.3)


async def test_a_cover_image_is_no_video(studio: Studio) -> None:
    cover = made_by(studio, "cover.png", *PICTURE, "-frames:v", "1")
    attached = ("-i", str(studio.folder / cover), "-map", "0", "-map", "1", "-c:v:0", "copy", "-disposition:v:0")
    sound = made_by(studio, "song.m4a", *TONE, *attached, "attached_pic", "-t", "3", "-c:a", "aac")
    assert await studio.fails(source=sound) == "The source has no picture"


async def test_a_cut_after_the_last_frame_fails(studio: Studio) -> None:
    assert await studio.fails(**{"from": 5.99}) == "The cut begins after the end of the recording"
