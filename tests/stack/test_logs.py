"""Log files: found by the process's name, kept over restarts, followed line by line."""

from pathlib import Path

import pytest

from headrace.stack.errors import StackError
from headrace.stack.folders import StackFolders
from headrace.stack.logs import FollowedLogs, last_telling_line, log_files, rotate, tail


@pytest.fixture
def folders(tmp_path: Path) -> StackFolders:
    """Folders with the logs of two processes, one of them with an older run."""
    found = StackFolders(tmp_path)
    found.logs.mkdir(parents=True)
    for name in ("kafka", "kafka.1", "job-call.subscriber_id"):
        (found.logs / f"{name}.log").write_text(f"{name}\n")
    return found


def test_only_the_newest_log_of_each_process_is_shown(folders: StackFolders) -> None:
    assert list(log_files(folders)) == ["job-call.subscriber_id", "kafka"]
    assert log_files(folders, "kafka") == {"kafka": folders.logs / "kafka.log"}


def test_a_process_without_a_log_is_an_error_that_proposes_the_closest_name(folders: StackFolders) -> None:
    with pytest.raises(StackError) as raised:
        log_files(folders, "kafak")
    assert str(raised.value) == (
        "no process named 'kafak' has a log\n"
        "  logs:   job-call.subscriber_id, kafka\n"
        f"  where:  {folders.logs}\n"
        "  try:    headrace logs kafka"
    )


def test_a_project_that_never_ran_says_so(tmp_path: Path) -> None:
    folders = StackFolders(tmp_path)
    with pytest.raises(StackError) as raised:
        log_files(folders)
    assert str(raised.value) == (
        f"no process has printed anything yet\n  where:  {folders.logs}\n  try:    headrace up"
    )


def test_the_last_lines_of_a_long_log_are_read_from_its_end(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text("".join(f"line {number}\n" for number in range(10_000)))
    assert tail(log, 3) == ["line 9997", "line 9998", "line 9999"]
    assert tail(tmp_path / "none.log", 3) == []


def test_frames_of_a_stack_trace_tell_less_than_its_cause(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text("started\nCaused by: java.io.IOException: no space\n\tat a.B.c(B.java:1)\n\t... 3 more\n\n")
    assert last_telling_line(log) == "Caused by: java.io.IOException: no space"


def test_a_rotation_keeps_three_older_logs(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    for run in range(6):
        log.write_text(str(run))
        rotate(log)
    assert not log.exists()
    assert [(tmp_path / f"x.{age}.log").read_text() for age in (1, 2, 3)] == ["5", "4", "3"]
    assert len(list(tmp_path.iterdir())) == 3


def test_following_gives_whole_lines_and_goes_on_in_a_log_that_was_begun_anew(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text("old\n")
    followed = FollowedLogs({"x": log})
    assert list(followed.new_lines()) == []
    with log.open("a") as out:
        out.write("one\ntw")
    assert list(followed.new_lines()) == [("x", "one")]
    with log.open("a") as out:
        out.write("o\n")
    assert list(followed.new_lines()) == [("x", "two")]
    rotate(log)
    assert list(followed.new_lines()) == []
    log.write_text("anew\n")
    assert list(followed.new_lines()) == [("x", "anew")]
