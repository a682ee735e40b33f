"""What can be wrong with a request, and the status that each error is answered with.

HeadraceError
└── HttpError               a request is refused before anything is done
    ├── BodyError           400  the body is not what its type says
    ├── UnauthenticatedError    401  no key, or none that is known
    ├── ForbiddenError      403  the key does not allow this
    ├── NotFoundError       404  there is nothing of that name
    ├── SlowBodyError       408  the body did not come in time
    ├── TooLargeError       413  the body has too many bytes or records
    ├── MediaTypeError      415  no reader for this type or encoding
    └── BusyError           503  as many queries run as may
"""

from headrace_features.online.errors import OnlineStoreError, OnlineStoreUnavailableError
from headrace_ingestion.errors import DeclarationError, HeadraceError, RetryableError, UnknownEventError
from headrace_lake.errors import QueryError

from headrace.events.errors import DerivedEventError
from headrace.features.project_features import UnknownViewError
from headrace.policy.rules import PolicyError


class HttpError(HeadraceError):
    """A request is refused before anything is done."""


class BodyError(HttpError):
    """The body is not what its type says."""


class UnauthenticatedError(HttpError):
    """There is no key, or none that is known."""


class ForbiddenError(HttpError):
    """The key does not allow this."""


class NotFoundError(HttpError):
    """There is nothing of that name."""


class SlowBodyError(HttpError):
    """The body did not come in time."""


class TooLargeError(HttpError):
    """The body has too many bytes or records."""


class MediaTypeError(HttpError):
    """There is no reader for this type or encoding."""


class BusyError(HttpError, RetryableError):
    """As many queries run as may."""


class KeysError(HeadraceError):
    """The file of keys cannot be read, or a key cannot be made or removed."""


class ServeError(HeadraceError):
    """The server cannot start."""


_STATUS: tuple[tuple[type[HeadraceError], int], ...] = (
    (BodyError, 400),
    (UnauthenticatedError, 401),
    (ForbiddenError, 403),
    (PolicyError, 403),
    (NotFoundError, 404),
    (UnknownEventError, 404),
    (DerivedEventError, 405),
    (UnknownViewError, 404),
    (SlowBodyError, 408),
    (TooLargeError, 413),
    (MediaTypeError, 415),
    (QueryError, 422),
    (OnlineStoreUnavailableError, 503),
    (OnlineStoreError, 422),
    (KeysError, 503),
    (DeclarationError, 503),
    (RetryableError, 503),
)


def status_of(error: HeadraceError) -> int:
    """Return the status that a request which failed so is answered with; 500 for what is our own fault."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
