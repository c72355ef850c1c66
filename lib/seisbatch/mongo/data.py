"""Waveforms in memory, as they are saved to and read from MongoDB: samples with metadata, an error log and a history.

They hold data and keep them consistent; they do no processing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from seisbatch.mongo.elog import Badness, ErrorLog
from seisbatch.mongo.history import History
from seisbatch.mongo.metadata import Metadata
from seisbatch.mongo.sampling import ORIENTATION, TIMING, OrientedMetadata, SampledMetadata

Samples = npt.NDArray[np.float64]


class Datum(ABC):
    """What :class:`TimeSeries` and :class:`Seismogram` share.

    ``metadata`` holds every name and value, ``elog`` what went wrong, ``history`` the steps that made it. A datum that is not
    ``live`` is of no use, and its log says why.

    ``starttime`` (epoch seconds), ``delta`` (s) and ``sampling_rate`` (Hz) are read from the metadata and set there, under the
    same names, with what follows from them; see :class:`~seisbatch.mongo.sampling.SampledMetadata`. ``npts`` and ``endtime``
    (of the last sample, epoch seconds) can only be read: they follow, in the metadata too, when ``samples`` are set.
    """

    elog: ErrorLog
    history: History
    live: bool
    collection: str | None
    """That of the document it was last read from or saved as; None where that is not known."""
    _samples: Samples
    _metadata: Metadata

    def _begin(self, samples: Samples, metadata: Metadata) -> None:
        self._samples = samples
        self._metadata = metadata
        self.elog = ErrorLog()
        self.history = History()
        self.collection = None
        self.live = isinstance(metadata, SampledMetadata)
        if isinstance(metadata, SampledMetadata):
            for correction in metadata.corrections:
                self.elog.post(type(self).__name__, correction)

    def kill(self, algorithm: str, message: str | Exception, badness: Badness = Badness.INVALID) -> None:
        """Mark it dead, and log why."""
        self.elog.post(algorithm, message, badness)
        self.live = False

    def discard_samples(self) -> None:
        """Throw the samples of a dead datum away, as saving it does; the metadata still tell how many there were."""
        self._samples = np.ascontiguousarray(self._samples[..., :0])

    @property
    def metadata(self) -> Metadata:
        return self._metadata

    @property
    def samples(self) -> Samples:
        """The samples, float64. Setting them sets ``npts`` and ``endtime``; ValueError where they are not of the shape."""
        return self._samples

    @samples.setter
    def samples(self, samples: npt.ArrayLike) -> None:
        if not isinstance(self.metadata, SampledMetadata):
            raise ValueError("samples of a datum that was never read")
        self._samples = self._checked(samples)
        self.metadata.resize(self.npts)

    @staticmethod
    @abstractmethod
    def _checked(samples: npt.ArrayLike) -> Samples:
        """Samples as float64; ValueError where they are not of the shape."""

    @property
    def npts(self) -> int:
        """The number of samples, of each component."""
        return int(self._samples.shape[-1])

    @property
    def starttime(self) -> float:
        return float(self.metadata["starttime"])

    @starttime.setter
    def starttime(self, starttime: float) -> None:
        self.metadata["starttime"] = starttime

    @property
    def delta(self) -> float:
        return float(self.metadata["delta"])

    @delta.setter
    def delta(self, delta: float) -> None:
        self.metadata["delta"] = delta

    @property
    def sampling_rate(self) -> float:
        return float(self.metadata["sampling_rate"])

    @sampling_rate.setter
    def sampling_rate(self, sampling_rate: float) -> None:
        self.metadata["sampling_rate"] = sampling_rate

    @property
    def endtime(self) -> float:
        return float(self.metadata["endtime"])

    def __repr__(self) -> str:
        name = ".".join(str(self.metadata.get(code, "")) for code in ("net", "sta", "loc", "chan"))
        return f"<{type(self).__name__} {name}, {self.npts} samples, {'live' if self.live else 'dead'}>"


class TimeSeries(Datum):
    """One channel's gap-free samples: float64, shape (npts,).

    ``metadata`` are the values that come with them, such as a document, from which ``starttime`` and ``delta`` are taken where
    they are not given. With samples of None it is a datum that could not be read: dead, without samples, its metadata as they
    stand. Float64 samples that are contiguous are not copied.

    Raises ValueError where the samples have another shape, are masked or not real numbers, or the metadata contradict them.

    >>> series = TimeSeries(np.zeros(3000), {"sta": "RJOB"}, starttime=1251073203.0, delta=0.01)
    >>> series.sampling_rate = 50.0
    >>> series.metadata["delta"], series.metadata["endtime"]
    (0.02, 1251073262.98)
    """

    def __init__(
        self,
        samples: npt.ArrayLike | None,
        metadata: Mapping[str, Any] | None = None,
        *,
        starttime: float | None = None,
        delta: float | None = None,
    ) -> None:
        if samples is None:
            self._begin(np.empty(0), Metadata(metadata))
        else:
            checked = self._checked(samples)
            self._begin(checked, SampledMetadata(_timed(metadata, starttime, delta), checked.shape[-1]))

    @staticmethod
    def _checked(samples: npt.ArrayLike) -> Samples:
        array = _real(samples)
        if array.ndim != 1:
            raise ValueError(f"samples of a TimeSeries have one axis, not the shape {array.shape}")
        return array


class Seismogram(Datum):
    """Three components' gap-free samples: float64, shape (3, npts), rows one after another in memory.

    Row ``i`` is the ground's motion along row ``i`` of ``tmatrix``: samples = tmatrix @ motion towards east, north and up.
    ``cardinal`` (they are just these three) and ``orthogonal`` (orthonormal rows) follow from it. All three are in the metadata
    too; setting ``tmatrix`` in one place is seen in the other.

    ``tmatrix`` must be given, or be in the metadata (nine numbers, row after row). Otherwise as :class:`TimeSeries`.
    """

    def __init__(
        self,
        samples: npt.ArrayLike | None,
        metadata: Mapping[str, Any] | None = None,
        *,
        starttime: float | None = None,
        delta: float | None = None,
        tmatrix: npt.ArrayLike | None = None,
    ) -> None:
        if samples is None:
            self._begin(np.empty((3, 0)), Metadata(metadata))
            return
        checked = self._checked(samples)
        values = _timed(metadata, starttime, delta)
        if tmatrix is not None:
            values = {name: value for name, value in values.items() if name not in ORIENTATION} | {"tmatrix": tmatrix}
        self._begin(checked, OrientedMetadata(values, checked.shape[-1]))

    @staticmethod
    def _checked(samples: npt.ArrayLike) -> Samples:
        array = _real(samples)
        if array.ndim != 2 or array.shape[0] != 3:
            raise ValueError(f"samples of a Seismogram have the shape (3, npts), not {array.shape}")
        return array

    @property
    def tmatrix(self) -> npt.NDArray[np.float64]:
        """The directions of the components: float64, shape (3, 3), columns east, north, up. A copy: set it whole."""
        return np.array(self.metadata["tmatrix"], dtype=np.float64).reshape(3, 3)

    @tmatrix.setter
    def tmatrix(self, tmatrix: npt.ArrayLike) -> None:
        self.metadata["tmatrix"] = tmatrix

    @property
    def cardinal(self) -> bool:
        """Whether the components are east, north and up."""
        return bool(self.metadata["cardinal"])

    @property
    def orthogonal(self) -> bool:
        """Whether the components are at right angles, of unit length."""
        return bool(self.metadata["orthogonal"])


D = TypeVar("D", bound=Datum)


@dataclass
class Ensemble(Generic[D]):
    """Data that belong together, with metadata and a log of the whole; ``dead`` are those that could not be read."""

    members: list[D] = field(default_factory=list)
    metadata: Metadata = field(default_factory=Metadata)
    elog: ErrorLog = field(default_factory=ErrorLog)
    dead: list[D] = field(default_factory=list)

    def metadata_to_members(self) -> None:
        """Copy the ensemble's metadata to each member, whose own of the same name they replace.

        What tells of a member's samples (times, rate, number, orientation) stays the member's.
        """
        own = {*TIMING, *ORIENTATION}
        shared = Metadata({name: value for name, value in self.metadata.items() if name not in own})
        for member in self.members:
            member.metadata.update(shared.loaded)


class TimeSeriesEnsemble(Ensemble[TimeSeries]):
    """An ensemble of :class:`TimeSeries`."""


class SeismogramEnsemble(Ensemble[Seismogram]):
    """An ensemble of :class:`Seismogram`."""


def _timed(metadata: Mapping[str, Any] | None, starttime: float | None, delta: float | None) -> dict[str, Any]:
    """Metadata with what was given in the place of its own, and of what follows from that."""
    values = dict(metadata or {})
    for name, given, follows in (("starttime", starttime, "endtime"), ("delta", delta, "sampling_rate")):
        if given is not None:
            values[name] = given
            values.pop(follows, None)
            values.pop("endtime", None)
    return values


def _real(samples: npt.ArrayLike) -> Samples:
    if np.ma.is_masked(samples):
        raise ValueError("masked samples: a datum has no gaps")
    array = np.asarray(samples)
    if array.dtype.kind not in "iuf":
        raise ValueError(f"samples of type {array.dtype} are not real numbers")
    return np.ascontiguousarray(array, dtype=np.float64)
