"""The looping test video of the shop page, a jar on a table drawn by ffmpeg. Created by `dorami dev`."""

import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gateway.dev.server_process import with_parent

SECONDS = 10  # after which the video is as at its beginning

# Distance from the jar's axis and height, both in radii; then the light, which comes from the upper left.
_ROUND = "st(0,(X-320)/215)*0+st(1,(Y-315)/205)*0"
_INSIDE = "lt(hypot(ld(0),ld(1)),1)+between(Y,104,130)*lt(abs(X-320),92)"
_LIGHT = "max(0,-0.45*ld(0)-0.5*ld(1)+0.74*sqrt(max(0,1-ld(0)*ld(0)-ld(1)*ld(1))))"
_BODY = "clip(100*(1-hypot((X-320)/215,(Y-315)/205)),0,1)"
_RIM = "clip((90-abs(X-320)-(Y-104)*0.3)/2,0,1)*between(Y,104,132)"
_JAR = (
    *(
        f"{colour}='{_ROUND}+if({_INSIDE},255*min(1,{dark}+{bright}*{_LIGHT}),{shadow})'"
        for colour, dark, bright, shadow in (("r", 0.34, 0.6, 20), ("g", 0.30, 0.6, 10), ("b", 0.31, 0.55, 14))
    ),
    f"a='255*max(max({_BODY},{_RIM}),0.75*max(0,1-hypot((X-350)/250,(Y-520)/44)))'",
)
_GLOW = "exp(-hypot((X-70)/110,(Y-90)/120))"
_SHINE = "exp(-hypot((X-90)/70,(Y-250)/22))"
_ROOM = tuple(
    f"{colour}='if(lt(Y,236),{wall}+{glow}*{_GLOW},{table}-(Y-236)*{fade}+{shine}*{_SHINE})'"
    for colour, wall, glow, table, fade, shine in (
        ("r", 70, 150, 118, 0.6, 26),
        ("g", 52, 105, 72, 0.4, 20),
        ("b", 74, 70, 58, 0.3, 16),
    )
)
_TONES = ((196, 0.25), (294, 0.2), (370, 0.15))  # Hz and loudness
GRAPH = ";".join(
    (
        f"color=black:s=200x340:r=25:d=0.04,format=rgb24,geq={':'.join(_ROOM)},scale=800:1360,gblur=3,loop=-1:1[wall]",
        f"[wall]crop=720:1280:x='40+30*sin(2*PI*t/{SECONDS})':y=40[room]",
        f"color=black:s=640x640:r=25:d=0.04,format=rgba,geq={':'.join(_JAR)},loop=-1:1[jar]",
        f"[room][jar]overlay=x='40-34*sin(2*PI*t/{SECONDS})':y=430:shortest=1[picture]",
        *(f"sine=f={tone}:d={SECONDS},volume={loud}[tone{n}]" for n, (tone, loud) in enumerate(_TONES)),
        f"[tone0][tone1][tone2]amix=3,tremolo=f=0.4:d=0.5,aecho=0.8:0.6:300:0.3,atrim=0:{SECONDS}[sound]",
    )
)
ARGUMENTS = (
    *("-y", "-v", "error", "-filter_complex", GRAPH, "-map", "[picture]", "-map", "[sound]", "-t", str(SECONDS)),
    *("-c:v", "libx264", "-preset", "veryfast", "-crf", "27", "-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "64k"),
    *("-movflags", "+faststart", "-f", "mp4"),
)


@contextmanager
def film(ffmpeg: str, target: Path) -> Iterator[Callable[[], None]]:
    """Create the video in the background unless it exists; yield a function that waits for it.

    ffmpeg ends with the block. Without a working ffmpeg there is no video.
    """
    part = target.with_suffix(".part")
    command = with_parent([ffmpeg, *ARGUMENTS, str(part)], signal.SIGKILL)
    process = None
    with suppress(OSError):
        if not target.exists():
            process = subprocess.Popen(  # noqa: S603  the command is ours
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                start_new_session=True,
            )  # fmt: skip
    if process is None:
        yield lambda: None
        return

    def finish() -> None:
        if process.wait() == 0:
            part.replace(target)

    thread = threading.Thread(target=finish, name="video")
    thread.start()
    try:
        yield thread.join
    finally:
        process.kill()
        thread.join()
