"""Errors of the benchmarks."""

from headrace_ingestion.errors import HeadraceError


class BenchError(HeadraceError):
    """A measurement could not be made, or its result cannot be trusted."""
