"""The sample's hydrophone: half an hour of sea noise, a ship that passes, whales that call, and the world's faults.

Sound is made as pressure at the hydrophone [uPa] and recorded in counts. Its noise is Gaussian, of a density that is flat at
the lowest frequencies and falls by 17 dB a decade, as between heavy and light traffic in Wenz (1962, J. Acoust. Soc. Am. 34).
Times are seconds after :data:`START`, levels dB re 1 uPa at the hydrophone.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import signal

from seisbatch.acquire.pack import pack
from seisbatch.names import Channel
from seisbatch.outcome import RunError
from seisbatch.process.segments import Segment
from seisbatch.sample.whole import tell, write_whole
from seisbatch.times import SECOND_NS, from_datetime

Real = npt.NDArray[np.float32]

CHANNEL = Channel("XS", "HYD1", "", "YDH")
RATE = 16_000.0
"""Hz."""
SENSITIVITY = -70.0
"""dB re 1 count per uPa, at every frequency."""
START = dt.datetime(2022, 1, 2, tzinfo=dt.UTC)
FILES = 6
FILE_SECONDS = 300

GAP = (862.3, 874.3)
"""Nothing was recorded from and until then: in the third file."""
MISSING = 3
"""The number of the file that is not there, from 0 on."""
TRUNCATED = 4
"""The number of the file that ends in the middle of a record."""

RECORD_BYTES = 4096
_SEED = 20220102
_NOISE_TAPS = 8192


@dataclass(frozen=True)
class Tone:
    """A ship's tone: frequency [Hz], level of its root mean square while the ship is near."""

    frequency: float
    level: float


TONES = (Tone(50.0, 112.0), Tone(100.0, 108.0), Tone(150.0, 104.0))
SHIP = (120.0, 240.0, 720.0, 840.0)
"""The tones are sine waves from their zero at START; their amplitude rises linearly from the first time to the second, and
falls from the third to the fourth."""


@dataclass(frozen=True)
class Call:
    """A sweep of a whale: when it begins, how long it is [s], its first and last frequency [Hz], linear in time.

    ``level`` is that of the root mean square of the wave; a tenth of the call at either end rises and falls as a cosine.
    """

    seconds: float
    duration: float
    first: float
    last: float
    level: float


CALLS = (
    Call(61.0, 2.5, 400.0, 100.0, 124.0),
    Call(83.0, 2.5, 400.0, 100.0, 121.0),
    Call(299.0, 2.0, 100.0, 1500.0, 122.0),  # from one file into the next
    Call(411.0, 3.0, 900.0, 250.0, 125.0),
    Call(1512.0, 2.5, 400.0, 100.0, 124.0),
    Call(1531.0, 1.5, 1500.0, 300.0, 119.0),
    Call(1548.5, 2.0, 100.0, 1500.0, 126.0),
)


@dataclass(frozen=True)
class Click:
    """A click: the time of its middle, frequency [Hz], level of its peak; Gaussian, 0.6 ms between 1/e of the peak."""

    seconds: float
    frequency: float
    level: float


CLICKS = tuple(Click(1700.0 + 0.8 * number, 4000.0, 145.0) for number in range(5))
_CLICK_SECONDS = 0.3e-3


def noise_density(frequencies: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """The noise's power spectral density [dB re 1 uPa**2/Hz]: 97 below 10 Hz, 80 at 100 Hz, 63 at 1 kHz.

    >>> [round(float(level), 1) for level in noise_density([1.0, 100.0, 1000.0])]
    [97.0, 80.0, 63.0]
    """
    return np.asarray(97 - 8.5 * np.log10(1 + (np.asarray(frequencies, np.float64) / 10) ** 2))


def recording_name(number: int) -> str:
    """The name of a file, by its number from 0 on.

    >>> recording_name(1)
    'XS.HYD1..YDH.20220102T000500.mseed'
    """
    return f"{CHANNEL}.{START + dt.timedelta(seconds=number * FILE_SECONDS):%Y%m%dT%H%M%S}.mseed"


def write_sample_recordings(folder: Path, *, quiet: bool = False) -> None:
    """Write the recordings to a folder, as miniSEED files of five minutes with nothing beside them, unless they are there.

    It takes about two seconds and 20 MB, and is the same to the byte every time. The folder appears when all is written.
    Raises RunError where the folder holds something else.
    """

    def write(unfinished: Path) -> None:
        for number, data in _files():
            if not quiet:
                tell(f"writing the sample's recordings: {number + 1} of {FILES}")
            (unfinished / recording_name(number)).write_bytes(data)

    if write_whole(folder, _is_there, write) and not quiet:
        tell("the sample's recordings are written", end="\n")


def _is_there(folder: Path) -> bool:
    found = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if found - {recording_name(number) for number in range(FILES) if number != MISSING} or (
        folder.exists() and not folder.is_dir()
    ):
        raise RunError(f"{folder} holds something else than the sample's recordings: remove it, or name another folder")
    if found and len(found) != FILES - 1:
        raise RunError(f"{folder} does not hold all of the sample's recordings: remove it")
    return bool(found)


def _files() -> Iterator[tuple[int, bytes]]:
    """The number and the bytes of every file that is there."""
    rng = np.random.default_rng(_SEED)
    n_samples = round(FILE_SECONDS * RATE)
    taps = _noise_taps()
    before = rng.standard_normal(len(taps) - 1, dtype=np.float32)
    for number in range(FILES):
        if number == MISSING:
            continue
        white = np.concatenate((before, rng.standard_normal(n_samples, dtype=np.float32)))
        before = white[n_samples:]
        pressure = signal.oaconvolve(white, taps, mode="valid")
        add_sounds(pressure, number * n_samples)
        counts = np.rint(pressure * np.float32(10 ** (SENSITIVITY / 20))).astype(np.int32)
        start_ns = from_datetime(START) + number * FILE_SECONDS * SECOND_NS
        data = b"".join(pack(CHANNEL, part, RECORD_BYTES) for part in _around_gap(Segment(start_ns, RATE, counts)))
        yield number, data[: len(data) * 2 // 3 // RECORD_BYTES * RECORD_BYTES + 1000] if number == TRUNCATED else data


def _noise_taps() -> Real:
    """A filter that gives white noise of unit variance the density of the sea's, in uPa.

    The density is a smooth function of frequency, so that its taps vanish long before their ends.
    """
    amplitudes = 10 ** (noise_density(np.fft.rfftfreq(_NOISE_TAPS, 1 / RATE)) / 20) * np.sqrt(RATE / 2)
    return np.roll(np.fft.irfft(amplitudes), _NOISE_TAPS // 2).astype(np.float32)


def add_sounds(pressure: Real, first: int) -> None:
    """Add the ship, the whales and the clicks to a pressure [uPa] that begins ``first`` samples after START, in place."""
    n_samples = len(pressure)
    seconds = (first + np.arange(0, n_samples + RATE, RATE)) / RATE
    nearness = np.interp(seconds, SHIP, (0.0, 1.0, 1.0, 0.0))
    if nearness.any():
        second = np.arange(round(RATE)) / RATE  # of which every tone has a whole number of waves
        waves = sum(_amplitude(tone.level) * np.sin(2 * np.pi * tone.frequency * second) for tone in TONES)
        wave = np.resize(np.roll(waves, -(first % len(second))), n_samples).astype(np.float32)
        pressure += wave * np.interp(np.arange(n_samples), (seconds * RATE - first), nearness).astype(np.float32)
    for call in CALLS:
        _add(pressure, round(call.seconds * RATE) - first, _sweep(call))
    for click in CLICKS:
        t = np.arange(-32, 33) / RATE
        pulse = np.exp(-((t / _CLICK_SECONDS) ** 2)) * np.cos(2 * np.pi * click.frequency * t)
        _add(pressure, round(click.seconds * RATE) - 32 - first, 10 ** (click.level / 20) * pulse)


def _amplitude(level: float) -> float:
    """The amplitude of a sine wave of a level."""
    return float(np.sqrt(2) * 10 ** (level / 20))


def _sweep(call: Call) -> npt.NDArray[np.float64]:
    t = np.arange(round(call.duration * RATE)) / RATE
    phase = call.first * t + (call.last - call.first) * t**2 / (2 * call.duration)
    wave: npt.NDArray[np.float64] = _amplitude(call.level) * signal.windows.tukey(len(t), 0.2) * np.sin(2 * np.pi * phase)
    return wave


def _add(pressure: Real, at: int, wave: npt.NDArray[Any]) -> None:
    """Add a wave from sample ``at`` on, what of it there is room for."""
    low, high = max(0, at), min(len(pressure), at + len(wave))
    if low < high:
        pressure[low:high] += wave[low - at : high - at].astype(np.float32)


def _around_gap(segment: Segment) -> list[Segment]:
    first, stop = (round((seconds - (segment.start_ns - from_datetime(START)) / SECOND_NS) * RATE) for seconds in GAP)
    n_samples = len(segment.samples)
    if not 0 < first < stop < n_samples:
        return [segment]
    return [segment.part(0, first), segment.part(stop, n_samples)]
