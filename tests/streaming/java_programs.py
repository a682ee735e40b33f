"""The Java programs of the tests, beside the job's own classes; compiled together, once for all."""

import subprocess
from pathlib import Path

import headrace_streaming

from headrace.flink import functions_classpath
from headrace.stack.java import compile_java, java_command

_PROGRAMS = Path(__file__).parent / "java"


def run_java(program: str, *arguments: str) -> str:
    """Run a program and return what it prints."""
    sources = [*headrace_streaming.java_sources(), *sorted(_PROGRAMS.glob("*.java"))]
    jar = compile_java(sources, functions_classpath(), "test-programs")
    classpath = ":".join(map(str, [jar, *functions_classpath()]))
    command = [str(java_command()), "-cp", classpath, f"headrace.{program}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
