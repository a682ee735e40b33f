"""Decimals as the wire writes them: text with exactly as many digits after the point as the contract says."""

from __future__ import annotations

import re
from decimal import Decimal

_FORM = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?", re.ASCII)


def is_decimal(text: str) -> bool:
    """Return whether `text` is a decimal: digits, at most one point between two of them, perhaps a minus before."""
    return _FORM.fullmatch(text) is not None


def canonical_decimal(text: str, precision: int, scale: int) -> str | None:
    """Return the decimal with exactly `scale` digits after the point; None when it needs more digits than there are.

    Nothing is rounded; zeros that mean nothing are left out, and minus zero is zero.

    Args:
        text: A decimal, see `is_decimal`.
        precision: Digits in all.
        scale: Digits after the point.

    >>> canonical_decimal("-007.5", 5, 2)
    '-7.50'
    """
    match = _FORM.fullmatch(text)
    if match is None:
        return None
    sign, whole, fraction = match[1], match[2].lstrip("0"), (match[3] or "").rstrip("0")
    if len(whole) > precision - scale or len(fraction) > scale:
        return None
    digits = (whole or "0") + (f".{fraction:0<{scale}}" if scale else "")
    return f"{sign}{digits}" if whole or fraction else digits


def decimal_text(value: Decimal | int) -> str | None:
    """Return a number as a decimal is written; None when it is not finite."""
    return f"{value:f}" if isinstance(value, int) or value.is_finite() else None
