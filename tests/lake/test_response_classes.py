"""Clients of one process that start at once."""

import gc
from types import SimpleNamespace

import headrace_lake.topics  # noqa: F401  # whoever reads topics imports it
from kafka.protocol.api_header import ResponseClassRegistry
from kafka.protocol.consumer import LeaveGroupResponse


def test_an_answer_is_understood_although_two_clients_made_its_class_at_once() -> None:
    version = 2
    header = SimpleNamespace(request_api_key=LeaveGroupResponse.API_KEY, request_api_version=version)
    # What two threads do that both find no class of this version: the first one's is stored last.
    first = LeaveGroupResponse[version]
    del LeaveGroupResponse._VERSIONS[version]
    assert LeaveGroupResponse[version] is not first
    LeaveGroupResponse._VERSIONS[version] = first
    gc.collect()
    assert ResponseClassRegistry.get_response_class(header) is first
