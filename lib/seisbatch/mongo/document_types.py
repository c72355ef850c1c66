"""Types of values in documents: which one a value has, and the value as another type where nothing is lost by it."""

from __future__ import annotations

import math
import numbers
import re
from collections.abc import Callable, Mapping
from typing import Any

from bson import Decimal128, ObjectId

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d{1,19}", re.ASCII)
_BOOLS = {"true": True, "false": False}


def type_name(value: object) -> str:
    """The type of a value, as schemas call it; Python's name of types that they do not have.

    >>> type_name(3), type_name(True), type_name(3.0), type_name(None)
    ('int', 'bool', 'double', 'null')
    """
    if value is None:
        return "null"
    return next((name for name in TYPES if is_of(value, name)), type(value).__name__)


def is_of(value: object, wanted: str) -> bool:
    """Whether a value is of a type: a bool is no int, an int no double; 32 and 64 bits are one int.

    >>> is_of(True, "int"), is_of(1, "double"), is_of(1, "int")
    (False, False, True)
    """
    if isinstance(value, bool):
        return wanted == "bool"
    if wanted == "int":
        return isinstance(value, int) and _fits(value)
    return isinstance(value, TYPES[wanted])


def converted(value: object, wanted: str) -> Any:
    """A value as another type.

    Numbers and their text become one another; an int becomes a double, a double of whole value an int; 0, 1, "true" and "false"
    a bool; 24 hexadecimal digits an ObjectId. A bool becomes nothing else.

    Raises ValueError where that cannot be done, or would lose something: "xyz" or 3.5 as int, a list as double, null.

    >>> converted("3", "int"), converted(3, "double"), converted("0.01", "double"), converted(12, "string")
    (3, 3.0, 0.01, '12')
    """
    if is_of(value, wanted):
        return value
    if wanted in _CONVERSIONS and not isinstance(value, bool):
        try:
            found = _CONVERSIONS[wanted](value)
        except (ValueError, OverflowError, ArithmeticError):
            found = None
        if found is not None:
            return found
    raise ValueError(f"{shown(value)} ({type_name(value)}) cannot become {wanted}")


def shown(value: object) -> str:
    """A value in at most 60 characters.

    >>> shown("xyz")
    "'xyz'"
    """
    try:
        text = repr(value[:60] if isinstance(value, str | bytes) else value)
    except Exception:  # of whatever a user's class raises, or of what is nested too deep
        text = object.__repr__(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _fits(value: int) -> bool:
    return -(2**63) <= value < 2**63


def _to_double(value: object) -> float | None:
    if isinstance(value, str):
        found = float(value) if _NUMBER.fullmatch(value.strip()) else math.nan
    elif isinstance(value, Decimal128):
        found = float(value.to_decimal())
    elif isinstance(value, numbers.Integral):
        found = float(value)
        return found if found == value else None
    elif isinstance(value, numbers.Real):  # of numpy
        return float(value)
    else:
        return None
    return found if math.isfinite(found) else None


def _to_int(value: object) -> int | None:
    if isinstance(value, numbers.Integral):
        found = int(value)
    elif isinstance(value, str) and _INTEGER.fullmatch(value.strip()):
        found = int(value)
    else:
        number = _to_double(value)
        if number is None or number != math.floor(number) or abs(number) > 2**53:
            return None
        found = int(number)
    return found if _fits(found) else None


def _to_string(value: object) -> str | None:
    if isinstance(value, Decimal128):
        return str(value)
    if isinstance(value, numbers.Integral):
        return str(int(value))
    return str(float(value)) if isinstance(value, numbers.Real) and math.isfinite(value) else None


def _to_bool(value: object) -> bool | None:
    if isinstance(value, str):
        return _BOOLS.get(value.strip().lower())
    return bool(value) if isinstance(value, numbers.Real) and value in (0, 1) else None


def _to_object_id(value: object) -> ObjectId | None:
    return ObjectId(value) if isinstance(value, str) and ObjectId.is_valid(value) else None


TYPES: Mapping[str, tuple[type, ...]] = {
    "double": (float,),
    "int": (int,),
    "bool": (bool,),
    "string": (str,),
    "list": (list, tuple),
    "dict": (Mapping,),
    "ObjectId": (ObjectId,),
    "binary": (bytes,),
}
_CONVERSIONS: Mapping[str, Callable[[object], Any]] = {
    "double": _to_double,
    "int": _to_int,
    "string": _to_string,
    "bool": _to_bool,
    "ObjectId": _to_object_id,
}
