"""Jars: fetched once, checked, and never half there."""

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from headrace.stack.errors import JarError
from headrace.stack.jars import Jar, fetch, fetch_jars, is_cached, locked_jars, pyflink_jars
from headrace.stack.ports import LOOPBACK, free_ports

CONTENT = b"the bytes of a jar" * 1000


def jar(artifact: str = "wheel", content: bytes = CONTENT) -> Jar:
    """A locked jar of this content."""
    return Jar("org.example.mill", artifact, "1.0", hashlib.sha256(content).hexdigest(), len(content), "trial")


@dataclass
class Repository:
    """A real HTTP repository: what it holds, how often it refuses first, and what it was asked for."""

    url: str
    files: dict[str, bytes] = field(default_factory=dict)
    refuse_times: int = 0
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def repository(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Repository]:
    """A repository on a free port, and an empty cache."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked.append(self.path)
            content = found.files.get(self.path.lstrip("/"))
            status = 503 if found.refuse_times > 0 else 404 if content is None else 200
            found.refuse_times -= 1
            self.send_response(status)
            self.end_headers()
            if status == 200 and content is not None:
                self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
    found = Repository(f"http://{LOOPBACK}:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    monkeypatch.setenv("HEADRACE_MAVEN_URL", found.url)
    monkeypatch.setenv("HEADRACE_CACHE", str(tmp_path / "cache"))
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_jar_is_fetched_from_mavens_layout_once_and_then_read_from_the_cache(repository: Repository) -> None:
    wanted = jar()
    repository.files["org/example/mill/wheel/1.0/wheel-1.0.jar"] = CONTENT
    assert not is_cached(wanted)
    assert [path.read_bytes() for path in fetch_jars([wanted])] == [CONTENT]
    assert fetch_jars([wanted]) == [wanted.path]
    assert repository.asked == ["/org/example/mill/wheel/1.0/wheel-1.0.jar"]


def test_progress_ends_with_all_bytes_of_all_missing_jars(repository: Repository) -> None:
    wanted = [jar("a"), jar("b", b"small")]
    for each, content in zip(wanted, (CONTENT, b"small"), strict=True):
        repository.files[each.url_path] = content
    seen: list[tuple[int, int]] = []
    fetch_jars(wanted, lambda done, total: seen.append((done, total)))
    assert max(seen) == (len(CONTENT) + 5, len(CONTENT) + 5)


def test_a_repository_that_stumbles_is_asked_again(repository: Repository) -> None:
    repository.files[jar().url_path] = CONTENT
    repository.refuse_times = 2
    assert fetch_jars([jar()], first_pause_seconds=0) == [jar().path]
    assert len(repository.asked) == 3


def test_a_jar_with_another_checksum_is_refused_and_not_kept(repository: Repository) -> None:
    forged = b"x" * len(CONTENT)
    repository.files[jar().url_path] = forged
    with pytest.raises(JarError) as raised:
        fetch_jars([jar()])
    assert str(raised.value) == (
        "org.example.mill:wheel:1.0 is not the locked jar: its sha256 begins with "
        f"{hashlib.sha256(forged).hexdigest()[:16]}\n"
        f"  locked:  {jar().sha256[:16]}\n"
        f"  source:  {repository.url}/org/example/mill/wheel/1.0/wheel-1.0.jar\n"
        "  try:     another repository in HEADRACE_MAVEN_URL"
    )
    assert [path for path in jar().path.parent.iterdir()] == []


def test_a_jar_that_was_cut_off_is_refused_and_not_kept(repository: Repository) -> None:
    repository.files[jar().url_path] = CONTENT[:100]
    with pytest.raises(JarError, match=r"the connection ended after 100 of 18000 bytes"):
        fetch_jars([jar()], first_pause_seconds=0)
    assert not is_cached(jar())


def test_a_jar_that_the_repository_lacks_is_asked_for_once(repository: Repository) -> None:
    with pytest.raises(JarError, match=r"wheel:1\.0 could not be fetched: HTTP 404 Not Found"):
        fetch_jars([jar()])
    assert len(repository.asked) == 1


def test_without_a_network_the_error_says_what_to_type(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    monkeypatch.setenv("HEADRACE_MAVEN_URL", f"http://{LOOPBACK}:{port}")
    monkeypatch.setenv("HEADRACE_CACHE", str(tmp_path))
    with pytest.raises(JarError) as raised:
        fetch_jars([jar()], first_pause_seconds=0)
    assert str(raised.value) == (
        "org.example.mill:wheel:1.0 could not be fetched: [Errno 111] Connection refused\n"
        f"  source:  http://{LOOPBACK}:{port}\n"
        f"  cache:   {tmp_path}/jars\n"
        "  try:     HEADRACE_MAVEN_URL=<a repository that this machine reaches> headrace up"
    )


def test_processes_that_fetch_the_same_jar_at_once_all_get_it(repository: Repository) -> None:
    repository.files[jar().url_path] = CONTENT
    results: list[bytes] = []
    threads = [threading.Thread(target=lambda: results.append(fetch_jars([jar()])[0].read_bytes())) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [CONTENT] * 6
    assert [path.name for path in jar().path.parent.iterdir()] == ["wheel-1.0.jar"]


def test_the_lock_file_names_each_jar_of_the_stack_once() -> None:
    jars = locked_jars()
    assert len({each.coordinates for each in jars}) == len(jars)
    assert {each.set for each in jars} == {"compiler", "flink", "kafka"}
    assert all(len(each.sha256) == 64 and each.size_bytes > 0 for each in jars)


def test_an_unknown_set_of_jars_is_refused_by_name() -> None:
    with pytest.raises(JarError) as raised:
        fetch(["kafak"])
    assert str(raised.value) == (
        "no set of jars is named 'kafak'\n  sets:  compiler, flink, kafka\n  try:   fetch(['compiler'])"
    )


def test_the_jars_of_flink_are_those_of_the_python_package() -> None:
    assert any(path.name.startswith("flink-dist-2.3") for path in pyflink_jars())
