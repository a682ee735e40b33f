"""Errors of the feature store.

HeadraceError
└── FeatureStoreError       what is asked of the feature store does not fit the declared views
"""

from __future__ import annotations

from headrace_ingestion.errors import HeadraceError


class FeatureStoreError(HeadraceError):
    """What is asked of the feature store does not fit the declared views."""
