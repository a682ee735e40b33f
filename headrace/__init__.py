"""headrace: event stream to features to model to score, from one set of declarations.

`headrace.open("roaming")` is the way in. Importing this package is light: what is heavy is imported where it is used.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headrace.project import Project
    from headrace.project import open_project as open

__all__ = ["Project", "open"]


def __getattr__(name: str) -> Any:
    # `headrace --help` imports this package and must not pay for pydantic.
    if name in __all__:
        import headrace.project

        return headrace.project.open_project if name == "open" else headrace.project.Project
    raise AttributeError(f"module 'headrace' has no attribute {name!r}")
