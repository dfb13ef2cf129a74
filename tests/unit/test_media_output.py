"""What ffmpeg says, as it said it: recorded from versions 5.1 and 9.0."""

import pytest

from gateway.media.output import Metadata, metadata, reason, seconds_done

MP4 = """Input #0, mov,mp4,m4a,3gp,3g2,mj2, from '/media/a.mp4':
  Metadata:
    major_brand     : isom
    title           : Duration: 99:00:00.00, Stream #0:9: Video: fake, 1x1
  Duration: 01:02:06.04, start: 0.000000, bitrate: 229 kb/s
  Stream #0:0[0x1](und): Video: h264 (High 4:4:4 Predictive) (avc1 / 0x31637661), yuv444p(progressive), 1920x1080 \
[SAR 1:1 DAR 16:9], 153 kb/s, 25 fps, 25 tbr, 12800 tbn (default)
    Metadata:
      handler_name    : VideoHandler
  Stream #0:1[0x2](und): Audio: aac (LC) (mp4a / 0x6134706D), 44100 Hz, mono, fltp, 69 kb/s (default)
At least one output file must be specified
"""
FLV = """Input #0, flv, from 'live.flv':
  Duration: 00:00:06.03, start: 0.000000, bitrate: 325 kb/s
  Stream #0:0: Video: flv1, yuv420p, 320x240, 200 kb/s, 25 fps, 25 tbr, 1k tbn
"""
SOUND = """Input #0, matroska,webm, from 'sound.mka':
  Duration: 00:00:10.01, start: -0.007000, bitrate: 67 kb/s
  Stream #0:0: Audio: opus, 48000 Hz, mono, fltp (default)
"""

PROGRESS = """frame=0
fps=0.00
bitrate=N/A
total_size=48
out_time_us=N/A
out_time_ms=N/A
out_time=N/A
speed=N/A
progress=continue
frame=47
out_time_us=-23220
progress=continue
frame=137
out_time_us=6315828
out_time_ms=6315828
out_time=00:00:06.315828
progress=continue
frame=500
out_time_us=20000000
progress=end
"""


def test_metadata_of_a_recording() -> None:
    assert metadata(MP4, 7) == Metadata(
        duration=3726.04, size=7, video_codec="h264", width=1920, height=1080, audio_codec="aac"
    )
    assert metadata(FLV, 7) == Metadata(
        duration=6.03, size=7, video_codec="flv1", width=320, height=240, audio_codec=None
    )
    assert metadata(SOUND, 7) == Metadata(
        duration=10.01, size=7, video_codec=None, width=None, height=None, audio_codec="opus"
    )


@pytest.mark.parametrize("text", ["", "  Duration: N/A, bitrate: N/A\n", "Invalid data found when processing input\n"])
def test_a_file_without_duration_is_no_recording(text: str) -> None:
    assert metadata(text, 7) is None


def test_progress_is_read_from_the_written_time() -> None:
    assert [done for line in PROGRESS.splitlines() if (done := seconds_done(line)) is not None] == [6.315828, 20.0]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("av_interleaved_write_frame(): No space left on device", "There is no space left for the replay"),
        ("[mov] moov atom not found\nError opening input files", "The source is not a recording that can be read"),
        (
            "/media/secret.mp4: Invalid data found when processing input",
            "The source is not a recording that can be read",
        ),
        ("/media/secret.mp4: Permission denied", "The source cannot be read"),
        ("Stream map '0:v:0' matches no streams.", "The source has no picture"),
        ("Conversion failed!", "The recording could not be converted"),
        ("", "The recording could not be converted"),
    ],
)
def test_failures_are_explained_without_paths(said: str, words: str) -> None:
    assert reason(said) == words
    assert "/media" not in reason(said)
