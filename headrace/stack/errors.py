"""Errors of the local stack."""

from headrace_ingestion.errors import HeadraceError


class StackError(HeadraceError):
    """The local stack could not do what it was asked."""


class JarError(StackError):
    """A jar could not be fetched or is not the one that the lock file names."""


class JavaError(StackError):
    """Java is missing, or a Java source does not compile."""


class PortBusyError(StackError):
    """A port that the settings fix is taken by another process."""


class BrokerError(StackError):
    """The local broker did not start or does not answer."""


class TopicError(StackError):
    """A topic cannot become what is declared."""


class AlreadyRunningError(StackError):
    """A stack runs on this project already."""


class NotRunningError(StackError):
    """No stack runs on this project."""


class ProcessFailedError(StackError):
    """A process of the stack died too often, or did not become ready in time."""
