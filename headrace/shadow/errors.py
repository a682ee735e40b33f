"""Errors of bounded runs beside production."""

from headrace_ingestion.errors import HeadraceError


class ShadowError(HeadraceError):
    """A bounded run beside production could not be made, or there is nothing to compare it with."""
