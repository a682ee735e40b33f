"""What goes wrong with models: wrong training data, an unknown model, gates that do not hold."""

from headrace_ingestion.errors import HeadraceError


class ModelError(HeadraceError):
    """Base of the errors of models."""


class TrainingDataError(ModelError):
    """The lake does not hold what the declaration asks for: no rows, no labels, or too short a history."""


class RegistryError(ModelError):
    """The registry has no such model, version or alias."""


class GatesError(ModelError):
    """A version whose gates do not hold was to be promoted."""


class DetectorFormatError(ModelError):
    """A stored detector cannot be read by this version."""
