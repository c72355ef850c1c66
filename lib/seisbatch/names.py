"""Names of channels and of pairs of channels, and the patterns that select them.

A channel is named by its four FDSN codes, written ``NET.STA.LOC.CHA``; an empty location is ``""`` in memory and may be
written ``--`` on the command line.
"""

from __future__ import annotations

import fnmatch
import hashlib
import re
from typing import NamedTuple

_CODE = {
    "net": re.compile(r"[A-Za-z0-9]{1,8}"),
    "sta": re.compile(r"[A-Za-z0-9-]{1,8}"),
    "loc": re.compile(r"[A-Za-z0-9-]{0,8}"),
    "chan": re.compile(r"[A-Za-z0-9]{3}"),
}
_WILDCARDS = frozenset("*?[")
_PATTERN_PART = re.compile(r"[A-Za-z0-9*?\[\]!-]*")
_TIME_LABEL = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}", re.ASCII)
_TIME_NAME = re.compile(r"\d{4}-\d\d-\d\dT\d{6}\.\d{6}", re.ASCII)
_PLAIN_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,78}[A-Za-z0-9_]|[A-Za-z0-9]")


class Channel(NamedTuple):
    """The four codes of a channel, in the order in which channels are sorted."""

    net: str
    sta: str
    loc: str
    chan: str

    def __str__(self) -> str:
        return ".".join(self)

    @property
    def station(self) -> str:
        return f"{self.net}.{self.sta}"

    @property
    def component(self) -> str:
        """The last letter of the channel code: ``Z``, ``N``, ``E``, ``1`` ..."""
        return self.chan[-1]


STAND_IN = "AAA"
"""A channel code where there is none to check: the other codes are checked with it."""


def channel(net: str, sta: str, loc: str, chan: str) -> Channel:
    """A channel from codes as archives and headers write them: padding goes, ``--`` is the empty location.

    Raises ValueError where a code is not one that FDSN allows: such a name never becomes a key or a path.

    >>> str(channel("CI", "CCA  ", "  ", "BHN"))
    'CI.CCA..BHN'
    """
    loc = loc.strip()
    name = Channel(net.strip(), sta.strip(), "" if loc == "--" else loc, chan.strip())
    for field, code in zip(Channel._fields, name, strict=True):
        if not _CODE[field].fullmatch(code):
            raise ValueError(f"{code!r} is no {field} code in {'.'.join(name)!r}")
    return name


def parse_channel(text: str) -> Channel:
    """A channel from ``NET.STA.LOC.CHA``.

    >>> parse_channel("CI.CCA.--.BHN") == parse_channel("CI.CCA..BHN")
    True
    """
    parts = text.split(".")
    if len(parts) != 4:
        raise ValueError(f"{text!r} is no channel: write NET.STA.LOC.CHA, such as CI.CCA..BHN")
    return channel(*parts)


def parse_nscl(text: str) -> Channel:
    """A channel from ``NET.STA.CHA.LOC``, the order that some services write.

    >>> str(parse_nscl("CI.SOC.HHZ."))
    'CI.SOC..HHZ'
    """
    parts = text.split(".")
    if len(parts) != 4:
        raise ValueError(f"{text!r} is no channel: write NET.STA.CHA.LOC, such as CI.SOC.HHZ.")
    net, sta, chan, loc = parts
    return channel(net, sta, loc, chan)


class ChannelPatterns:
    """Comma-separated patterns ``NET.STA.LOC.CHA`` with ``*``, ``?`` and ``[...]``; a channel matches if any does.

    >>> ChannelPatterns("CI.*..BH?,NC.*.00.HHZ").matches(parse_channel("CI.CCA..BHN"))
    True
    >>> ChannelPatterns("CI.*..BH?").matches(parse_channel("CI.CCA.10.BHN"))
    False
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._patterns = []
        for pattern in text.split(","):
            parts = pattern.strip().split(".")
            if len(parts) != 4 or not all(_PATTERN_PART.fullmatch(part) for part in parts):
                raise ValueError(f"{pattern.strip()!r} is no channel pattern: write NET.STA.LOC.CHA, such as CI.*..BH?")
            parts[2] = "" if parts[2] == "--" else parts[2]
            self._patterns.append(parts)

    @property
    def networks(self) -> list[str] | None:
        """The networks that the patterns name; None where one of them has a wildcard there."""
        found = sorted({parts[0] for parts in self._patterns})
        return None if any(_WILDCARDS & set(net) for net in found) else found

    @property
    def parts(self) -> list[tuple[str, str, str, str]]:
        """The patterns of the four codes, of each pattern."""
        return [(net, sta, loc, chan) for net, sta, loc, chan in self._patterns]

    def named_at(self, net: str, sta: str) -> list[Channel] | None:
        """The channels of a station that the patterns name; None where a location or channel code has a wildcard.

        >>> ChannelPatterns("IU.*.00.BHZ,IU.*.10.BHZ").named_at("IU", "ANMO")[0]
        Channel(net='IU', sta='ANMO', loc='00', chan='BHZ')
        """
        if any(_WILDCARDS & set(code) for parts in self._patterns for code in parts[2:]):
            return None
        return sorted({name for parts in self._patterns if self.matches(name := Channel(net, sta, *parts[2:]))})

    def matches(self, name: Channel) -> bool:
        return self.may_match(*name)

    def may_match(self, net: str, sta: str, loc: str | None, chan: str | None) -> bool:
        """Whether a channel matches, as far as its codes are known.

        >>> ChannelPatterns("IU.*.00.BHZ").may_match("IU", "ANMO", None, None)
        True
        """
        codes = (net, sta, loc, chan)
        return any(
            all(code is None or fnmatch.fnmatchcase(code, part) for code, part in zip(codes, parts, strict=True))
            for parts in self._patterns
        )


class Pair(NamedTuple):
    """A pair of channels; a positive lag is energy that reaches ``receiver`` after ``source``."""

    source: Channel
    receiver: Channel

    def __str__(self) -> str:
        return f"{self.source}:{self.receiver}"


def parse_pair(text: str) -> Pair:
    """A pair from ``NET.STA.LOC.CHA:NET.STA.LOC.CHA``."""
    parts = text.strip().split(":")
    if len(parts) != 2:
        raise ValueError(f"{text!r} is no pair: write NET.STA.LOC.CHA:NET.STA.LOC.CHA")
    return Pair(parse_channel(parts[0]), parse_channel(parts[1]))


def file_name(label: str) -> str:
    """A label, such as that of a window, as the name of a file or folder: other labels have other names.

    One of letters, digits, ``.``, ``_`` and ``-`` is kept, and a time loses its colons. Of any other what can be kept is, and a
    digest of the whole follows after ``--``, which no label that is kept has in it.

    >>> file_name("2011-03-11T05:46:23.200000"), file_name("ci38457511")
    ('2011-03-11T054623.200000', 'ci38457511')
    >>> file_name("smi:local/1")
    'smi-local-1--31fd5080a0767af0'
    """
    if _TIME_LABEL.fullmatch(label):
        return label.replace(":", "")
    if _PLAIN_LABEL.fullmatch(label) and "--" not in label and not _TIME_NAME.fullmatch(label):
        return label
    kept = re.sub(r"[^A-Za-z0-9]+", "-", label).strip("-")[:48].rstrip("-")
    return f"{kept or 'label'}--{hashlib.sha256(label.encode()).hexdigest()[:16]}"
