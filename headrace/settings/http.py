"""The section `http` of the settings."""

import re
from collections.abc import Mapping
from typing import Annotated

from headrace_ingestion.documents import DeclarationProblem
from pydantic import AfterValidator, ConfigDict, Field

from headrace.settings.types import Count, IsNumber, Port, Section

_FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def _functions(transforms: Mapping[str, str]) -> Mapping[str, str]:
    for event, name in transforms.items():
        if _FUNCTION.fullmatch(name) is None:
            raise DeclarationProblem(
                f"{name!r}, for the event {event!r}, does not name a function",
                {"expected": "module:function"},
                "shaping:call",
            )
    return transforms


class HttpSettings(Section):
    """Events in, features out, over HTTP: `headrace serve`."""

    model_config = ConfigDict(title="the section http")

    enabled: bool = Field(default=False, description="whether `headrace up` starts it")
    host: str = Field(default="127.0.0.1", description="address to listen on; beyond this machine only with keys")
    port: Port = Field(default=8095, description="port to listen on")
    keys: str | None = Field(
        default=None, description="file of hashed API keys; none: `http-keys.json` below `.headrace`"
    )
    max_body_bytes: Annotated[int, Field(ge=1_024), IsNumber] = Field(
        default=8_388_608, description="most bytes of a body, as sent and unpacked"
    )
    max_records: Count = Field(default=10_000, description="most events of one request")
    wait_seconds: Annotated[float, Field(ge=0.1), IsNumber] = Field(
        default=10.0, description="how long a broker may take to acknowledge an event before the answer is 503"
    )
    transforms: Annotated[dict[str, str], AfterValidator(_functions)] = Field(
        default={},
        description="event → `module:function` of the project: (record) -> what is checked and sent, "
        "or None to leave it out",
    )
    sql_seconds: Annotated[float, Field(gt=0, le=3_600), IsNumber] = Field(
        default=60.0, description="how long a query of `POST /sql` may take, reading its answer included"
    )
    sql_rows: Count = Field(default=1_000_000, description="most rows of its answer")
    sql_memory_bytes: Annotated[int, Field(ge=50_000_000), IsNumber] = Field(
        default=1_000_000_000, description="memory of one query; sorts and joins beyond it go to disk"
    )
    sql_queries: Count = Field(default=4, description="queries that may run at once; one more is answered with 503")
