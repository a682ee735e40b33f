"""Errors of the online store.

HeadraceError
└── OnlineStoreError                    a store or a lookup is not what it has to be
    └── OnlineStoreUnavailableError     (retryable) the store does not answer now; the same call can be tried again
"""

from __future__ import annotations

from headrace_ingestion.errors import HeadraceError, RetryableError


class OnlineStoreError(HeadraceError):
    """An online store, or what is asked of it, is not what it has to be."""


class OnlineStoreUnavailableError(OnlineStoreError, RetryableError):
    """The store is locked, full or away; nothing of the call is stored, and it can be tried again."""
