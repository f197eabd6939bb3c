"""Writes H.264 MP4: painting and encoding overlap, one thread each side of a short queue."""

import os
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
from av.video.stream import VideoStream

from pixsim7_backend.providers.local.film.request import FilmCancelled, FilmError

ENCODER_OPTIONS = {
    "preset": "medium",
    "crf": "19",
    # Smooth skies band first in the dark: spend more there.
    "aq-mode": "3",
    "x264-params": "colorprim=bt709:transfer=bt709:colormatrix=bt709",
}


class _Painter:
    """A thread that keeps a few frames ahead of the encoder."""

    def __init__(self, frames: Iterator[av.VideoFrame]) -> None:
        self.frames = frames
        self.waiting: queue.Queue[av.VideoFrame | None] = queue.Queue(maxsize=4)
        self.failure: BaseException | None = None
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._paint, name="painter", daemon=True)
        self.thread.start()

    def _paint(self) -> None:
        try:
            for frame in self.frames:
                self.waiting.put(frame)
                if self.stopped.is_set():
                    return
        except BaseException as error:  # raised again in the encoding thread
            self.failure = error
        finally:
            close = getattr(self.frames, "close", None)
            if close is not None:
                close()
            self.waiting.put(None)

    def __iter__(self) -> Iterator[av.VideoFrame]:
        while (frame := self.waiting.get()) is not None:
            yield frame
        if self.failure is not None:
            raise self.failure

    def stop(self) -> None:
        self.stopped.set()
        while self.thread.is_alive():
            with suppress(queue.Empty):
                self.waiting.get_nowait()
            self.thread.join(0.01)


def encode(
    frames: Iterator[av.VideoFrame],
    total: int,
    size: tuple[int, int],
    path: Path,
    *,
    rate: Fraction,
    progress: Callable[[float], None],
    is_cancelled: Callable[[], bool],
) -> None:
    """Write `total` frames to `path`; the caller owns the temporary name."""
    done = 0
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as output:
        stream: VideoStream = output.add_stream("libx264", rate=rate, options=ENCODER_OPTIONS)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.color_primaries, context.color_trc, context.colorspace = 1, 1, 1
        context.color_range = 1
        context.gop_size = round(rate * 2)
        painter = _Painter(frames)
        try:
            for frame in painter:
                if is_cancelled():
                    raise FilmCancelled
                frame.pts, frame.time_base = done, 1 / rate
                output.mux(stream.encode(frame))
                done += 1
                # The last step is left for the moment when the file is whole.
                progress(min(0.99, done / total))
        finally:
            painter.stop()
        output.mux(stream.encode())
    if done == 0:
        raise FilmError("There was nothing to film.")


def settle(temporary: Path, destination: Path) -> None:
    """Make the finished file durable and give it its name."""
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(temporary, destination)
    directory = os.open(destination.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
