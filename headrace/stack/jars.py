"""Jars by Maven coordinates: named with their checksum in `jars.lock`, fetched once per user."""

import hashlib
import http.client
import importlib.util
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Lock

from headrace.stack.cache import atomic_file, cache_folder
from headrace.stack.errors import JarError
from headrace.stack.progress import Progress, terminal_progress

MAVEN_CENTRAL = "https://repo.maven.apache.org/maven2"
LOCK_FILE = Path(__file__).with_name("jars.lock")

_ATTEMPTS = 4
_TIMEOUT_SECONDS = 30
_PARALLEL = 8
_CHUNK_BYTES = 1 << 18


@dataclass(frozen=True, slots=True)
class Jar:
    """One line of the lock file."""

    group: str
    artifact: str
    version: str
    sha256: str
    size_bytes: int
    set: str

    @property
    def coordinates(self) -> str:
        """Maven coordinates, `group:artifact:version`."""
        return f"{self.group}:{self.artifact}:{self.version}"

    @property
    def file_name(self) -> str:
        """Name of the jar's file, in the repository and in the cache."""
        return f"{self.artifact}-{self.version}.jar"

    @property
    def url_path(self) -> str:
        """Path below a repository's base URL, in Maven's standard layout."""
        return f"{self.group.replace('.', '/')}/{self.artifact}/{self.version}/{self.file_name}"

    @property
    def path(self) -> Path:
        """Where the cache holds it. The checksum is in the path, so a file that stands there is the right one."""
        return cache_folder() / "jars" / self.sha256[:16] / self.file_name


@cache
def locked_jars() -> tuple[Jar, ...]:
    """Return every jar of the lock file, in its order."""
    jars = []
    for line in LOCK_FILE.read_text().splitlines():
        if line and not line.startswith("#"):
            coordinates, sha256, size, jar_set = line.split()
            group, artifact, version = coordinates.split(":")
            jars.append(Jar(group, artifact, version, sha256, int(size), jar_set))
    return tuple(jars)


def repository_url() -> str:
    """Return the base URL that jars come from: `$HEADRACE_MAVEN_URL`, else Maven Central."""
    return (os.environ.get("HEADRACE_MAVEN_URL") or MAVEN_CENTRAL).rstrip("/")


def is_cached(jar: Jar) -> bool:
    """Tell whether the cache holds the jar in its full size."""
    try:
        return jar.path.stat().st_size == jar.size_bytes
    except FileNotFoundError:
        return False


def fetch(sets: Iterable[str], progress: Progress | None = None) -> list[Path]:
    """Return the paths of the jars of these sets, fetching those that the cache lacks.

    Args:
        sets: Names of sets in the lock file: `kafka`, `flink`, `compiler`.
        progress: Called with bytes done and in all; a bar on the terminal when none is given.

    Raises:
        JarError: A set is unknown, a jar could not be fetched, or its checksum is not the locked one.
    """
    return fetch_jars(_jars_of(sets), progress)


def fetch_jars(
    jars: Sequence[Jar], progress: Progress | None = None, *, first_pause_seconds: float = 0.5
) -> list[Path]:
    """Return the paths of these jars, fetching those that the cache lacks, several at a time.

    Args:
        jars: The jars.
        progress: Called with bytes done and in all; a bar on the terminal when none is given.
        first_pause_seconds: Pause before the second attempt at a jar; each further one is twice as long.

    Raises:
        JarError: A jar could not be fetched, or its checksum is not the locked one.
    """
    missing = [jar for jar in jars if not is_cached(jar)]
    if missing and progress is not None:
        _fetch_all(missing, progress, first_pause_seconds)
    elif missing:
        with terminal_progress(f"{len(missing)} jars") as bar:
            _fetch_all(missing, bar, first_pause_seconds)
    return [jar.path for jar in jars]


def pyflink_jars() -> list[Path]:
    """Return the jars of the Flink distribution that comes with PyFlink, without importing it.

    Raises:
        JarError: PyFlink is not installed.
    """
    spec = importlib.util.find_spec("pyflink")
    found = sorted(Path(spec.origin).parent.glob("lib/*.jar")) if spec and spec.origin else []
    if not found:
        raise JarError("the jars of Flink are not there", {"expected": "the package apache-flink"}, "uv sync")
    return found


def _jars_of(sets: Iterable[str]) -> list[Jar]:
    known = sorted({jar.set for jar in locked_jars()})
    chosen = list(sets)
    for name in chosen:
        if name not in known:
            raise JarError(f"no set of jars is named {name!r}", {"sets": ", ".join(known)}, f"fetch([{known[0]!r}])")
    return [jar for jar in locked_jars() if jar.set in chosen]


def _fetch_all(jars: Sequence[Jar], progress: Progress, first_pause_seconds: float) -> None:
    total_bytes = sum(jar.size_bytes for jar in jars)
    received: dict[Jar, int] = {}
    lock = Lock()

    def report(jar: Jar, received_bytes: int) -> None:
        with lock:
            received[jar] = received_bytes
            progress(sum(received.values()), total_bytes)

    with ThreadPoolExecutor(_PARALLEL, thread_name_prefix="jars") as pool:
        # Largest first: the last one to end is then a small one.
        futures = [
            pool.submit(_fetch, jar, report, first_pause_seconds)
            for jar in sorted(jars, key=lambda jar: -jar.size_bytes)
        ]
        try:
            for future in futures:
                future.result()
        except JarError:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _fetch(jar: Jar, report: Callable[[Jar, int], None], first_pause_seconds: float) -> None:
    url = f"{repository_url()}/{jar.url_path}"
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with atomic_file(jar.path) as part:
                _download(url, part, jar, report)
            return
        except urllib.error.HTTPError as error:
            if error.code < 500 or attempt == _ATTEMPTS:
                raise _unreachable(jar, f"HTTP {error.code} {error.reason}") from error
        except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
            if attempt == _ATTEMPTS:
                raise _unreachable(jar, str(getattr(error, "reason", error))) from error
        report(jar, 0)
        time.sleep(first_pause_seconds * 2 ** (attempt - 1))


def _download(url: str, part: Path, jar: Jar, report: Callable[[Jar, int], None]) -> None:
    digest = hashlib.sha256()
    received_bytes = 0
    with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as response, part.open("wb") as out:
        while chunk := response.read(_CHUNK_BYTES):
            digest.update(chunk)
            out.write(chunk)
            received_bytes += len(chunk)
            report(jar, received_bytes)
    if received_bytes < jar.size_bytes:
        raise ConnectionError(f"the connection ended after {received_bytes} of {jar.size_bytes} bytes")
    if digest.hexdigest() != jar.sha256:
        raise JarError(
            f"{jar.coordinates} is not the locked jar: its sha256 begins with {digest.hexdigest()[:16]}",
            {"locked": jar.sha256[:16], "source": url},
            "another repository in HEADRACE_MAVEN_URL",
        )


def _unreachable(jar: Jar, reason: str) -> JarError:
    return JarError(
        f"{jar.coordinates} could not be fetched: {reason}",
        {"source": repository_url(), "cache": str(cache_folder() / "jars")},
        "HEADRACE_MAVEN_URL=<a repository that this machine reaches> headrace up",
    )
