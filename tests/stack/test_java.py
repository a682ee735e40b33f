"""Java: compiled on the bundled runtime, once for each source; a JVM on a leash dies with its parent."""

import subprocess
import zipfile
from pathlib import Path

import pytest

from headrace.stack.errors import JavaError
from headrace.stack.java import COMPILE_LATER, compile_java, huge_pages, java_command, stack_jar

SLEEPER = """\
package trial;
public class Sleeper {
    public static void main(String[] args) throws Exception {
        System.out.println("asleep");
        System.out.flush();
        Thread.sleep(600_000);
    }
}
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A Java class that sleeps."""
    path = tmp_path / "Sleeper.java"
    path.write_text(SLEEPER)
    return path


def test_a_source_is_compiled_once_and_again_when_it_has_changed(source: Path) -> None:
    first = compile_java([source], [], "sleeper")
    assert zipfile.ZipFile(first).namelist() == ["trial/Sleeper.class"]
    made_at = first.stat().st_mtime_ns
    assert compile_java([source], [], "sleeper") == first
    assert first.stat().st_mtime_ns == made_at
    source.write_text(SLEEPER.replace("600_000", "500_000"))
    assert compile_java([source], [], "sleeper") != first


def test_a_source_that_does_not_compile_shows_what_the_compiler_said(source: Path) -> None:
    source.write_text(SLEEPER.replace("Thread.sleep", "Thread.slumber"))
    with pytest.raises(JavaError) as raised:
        compile_java([source], [], "sleeper")
    message = str(raised.value)
    assert message.startswith("Java does not compile: Sleeper.java\n  compiler:  ")
    assert "The method slumber(int) is undefined for the type Thread" in message
    assert message.endswith(f"  source:    {source.parent}\n  try:       correct the lines above")


def test_a_jvm_on_a_leash_ends_when_its_input_does(source: Path) -> None:
    classpath = f"{stack_jar()}:{compile_java([source], [], 'sleeper')}"
    command = [str(java_command()), "-cp", classpath, "headrace.Leash", "trial.Sleeper"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == b"asleep\n"
    process.stdin.close()
    assert process.wait(10) == 143
    process.stdout.close()


@pytest.mark.parametrize(
    ("known", "options"),
    [("always [madvise] never", ["-XX:+UseTransparentHugePages"]), ("always madvise [never]", []), (None, [])],
)
def test_the_heap_is_put_on_huge_pages_where_the_system_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: str | None, options: list[str]
) -> None:
    file = tmp_path / "enabled"
    if known is not None:
        file.write_text(known)
    monkeypatch.setattr("headrace.stack.java._HUGE_PAGES", file)
    assert huge_pages() == options


def test_the_bundled_runtime_takes_the_options_of_this_machine() -> None:
    subprocess.run([str(java_command()), *huge_pages(), *COMPILE_LATER, "-version"], check=True, capture_output=True)
