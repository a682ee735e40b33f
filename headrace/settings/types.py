"""What sections of the settings are made of."""

from typing import Annotated

from headrace_ingestion.documents import DeclarationProblem
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _no_truth_value(value: object) -> object:
    # Numbers are read leniently, for variables of the environment are text; `true` is a slip, not a 1.
    if isinstance(value, bool):
        raise DeclarationProblem(f"{str(value).lower()} is not a number", {"expected": "a number"}, "1")
    return value


IsNumber = BeforeValidator(_no_truth_value)
Port = Annotated[int, Field(ge=1, le=65535), IsNumber]
Count = Annotated[int, Field(ge=1), IsNumber]
Milliseconds = Annotated[int, Field(ge=1), IsNumber]


class Section(BaseModel):
    """A group of settings: frozen, and nothing in it that is not known."""

    model_config = ConfigDict(frozen=True, extra="forbid")
