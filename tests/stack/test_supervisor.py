"""The supervisor: order, restarts, giving up, and nothing left behind however it ends. Children are real processes."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread

import psutil
import pytest
from small_disk import small_disk
from waiting import eventually

from headrace.stack.errors import AlreadyRunningError
from headrace.stack.folders import StackFolders
from headrace.stack.java import compile_java, java_command, stack_jar
from headrace.stack.spec import ProcessSpec, ReadyFile, RestartPolicy
from headrace.stack.state import ProcessState, StackState, is_supervised, last_state, running_state
from headrace.stack.supervisor import Supervisor

QUICK = RestartPolicy(first_pause_seconds=0.01, longest_pause_seconds=0.05, deaths=3)
# Writes its ready file, notes its start, and ends in order at SIGTERM, which it notes too.
WORKER = """
import os, signal, sys, time
from headrace.stack.leash import hold_leash
hold_leash()
ready, journal, name = sys.argv[1:4]
def note(what):
    with open(journal, "a") as out:
        out.write(f"{name} {what}\\n")
def end(*_):
    note("ends")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
note("starts")
open(ready, "w").close()
while True:
    time.sleep(60)
"""


@pytest.fixture
def folders(tmp_path: Path) -> StackFolders:
    """Folders of a project that has nothing but them."""
    return StackFolders(tmp_path)


def worker(folders: StackFolders, name: str, code: str = WORKER, depends_on: tuple[str, ...] = ()) -> ProcessSpec:
    """A Python process that runs this code."""
    ready = folders.ready_file(name)
    command = (sys.executable, "-c", code, str(ready), str(folders.project / "journal"), name)
    return ProcessSpec(name, command, ReadyFile(ready), depends_on=depends_on, restarts=QUICK, grace_seconds=5)


class Running:
    """A supervisor in a thread, and the states it has published."""

    def __init__(self, folders: StackFolders, specs: list[ProcessSpec]) -> None:
        self.states: list[StackState] = []
        self.stop = Event()
        self.result: bool | None = None
        self._supervisor = Supervisor(folders, specs, on_change=self.states.append)
        self.thread = Thread(target=self._run)

    def _run(self) -> None:
        self.result = self._supervisor.run(self.stop)

    def process(self, name: str) -> ProcessState:
        """The newest state of one process."""
        return next(each for each in self.states[-1].processes if each.name == name)


@contextmanager
def running(folders: StackFolders, *specs: ProcessSpec) -> Iterator[Running]:
    """Supervise these processes for as long as the block lasts."""
    run = Running(folders, list(specs))
    run.thread.start()
    try:
        yield run
    finally:
        run.stop.set()
        run.thread.join()


def healthy(run: Running) -> Callable[[], bool]:
    """The condition that all processes are ready."""
    return lambda: bool(run.states) and run.states[-1].phase == "healthy"


def journal(folders: StackFolders) -> list[str]:
    """What the workers have noted."""
    return (folders.project / "journal").read_text().splitlines()


def test_processes_start_after_and_end_before_what_they_depend_on(folders: StackFolders) -> None:
    specs = [worker(folders, "log"), worker(folders, "reader", depends_on=("log",))]
    with running(folders, *specs) as run:
        eventually(healthy(run))
    assert journal(folders) == ["log starts", "reader starts", "reader ends", "log ends"]
    assert run.result is True
    assert [each.phase for each in run.states[-1].processes] == ["stopped", "stopped"]


def test_a_process_that_was_killed_is_started_again(folders: StackFolders) -> None:
    with running(folders, worker(folders, "log")) as run:
        eventually(healthy(run))
        pid = run.process("log").pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: run.process("log").restarts == 1 and healthy(run)())
        assert run.process("log").pid != pid
        assert "degraded" in [state.phase for state in run.states]
        assert any("was ended by SIGKILL" in each.message for state in run.states for each in state.processes)


def test_what_a_dead_process_had_started_is_ended_with_it(folders: StackFolders) -> None:
    code = WORKER.replace(
        'note("starts")',
        "import subprocess; child = subprocess.Popen(['sleep', '600']); note(str(child.pid))",
    )
    with running(folders, worker(folders, "job", code)) as run:
        eventually(healthy(run))
        grandchild = int(journal(folders)[0].split()[1])
        pid = run.process("job").pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: not _is_alive(grandchild))


def test_a_process_that_keeps_dying_is_given_up_with_its_last_log_line(folders: StackFolders) -> None:
    broken = worker(folders, "job", "import sys; sys.exit('the model is missing')")
    with running(folders, worker(folders, "log"), broken) as run:
        run.thread.join(20)
    assert run.result is False
    assert run.states[-1].phase == "failed"
    assert run.process("job").phase == "failed"
    assert run.process("job").message == "died 3 times, and the last time ended with 1: the model is missing"
    assert run.process("log").phase == "stopped"


def test_a_process_that_fails_later_leaves_the_others_running(folders: StackFolders) -> None:
    flag = folders.project / "broken"
    code = f"import os, sys\nif os.path.exists({str(flag)!r}): sys.exit('out of disk')\n{WORKER}"
    with running(folders, worker(folders, "log"), worker(folders, "job", code)) as run:
        eventually(healthy(run))
        flag.touch()
        pid = run.process("job").pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: run.process("job").phase == "failed")
        assert run.states[-1].phase == "degraded"
        assert run.process("log").phase == "ready"


def test_a_process_that_dies_of_a_full_disk_is_started_again_until_there_is_room(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with small_disk(tmp_path / "disk", 1) as disk:
        folders = StackFolders(disk.folder)
        disk.grow(100)
        needs_room = "import os, pathlib, sys\npathlib.Path(f'{sys.argv[1]}.{os.getpid()}').write_bytes(bytes(8192))\n"
        with running(folders, worker(folders, "job", needs_room + WORKER)) as run:
            eventually(healthy(run))
            pid = run.process("job").pid
            assert pid is not None
            disk.grow(1)
            disk.leave(0)
            os.kill(pid, signal.SIGKILL)
            eventually(lambda: run.process("job").restarts > 2 * QUICK.deaths)
            assert run.states[-1].phase == "degraded"
            assert any(
                state.processes[0].message.startswith("the disk is full (0 MiB left): ended with 1: ")
                for state in run.states
            )
            assert f"what runs cannot be written to {folders.state_file}: [Errno 28]" in caplog.text
            disk.free()
            disk.grow(100)
            eventually(healthy(run))
            eventually(lambda: last_state(folders) == run.states[-1])
        assert run.result is True


def test_a_process_that_is_not_ready_in_time_is_given_up(folders: StackFolders) -> None:
    slow = replace(worker(folders, "job", "import time; time.sleep(600)"), ready_seconds=0.2)
    with running(folders, slow) as run:
        run.thread.join(20)
    assert run.process("job").message == "not ready after 0 s: "
    assert run.result is False


def test_a_process_that_ignores_sigterm_is_killed_after_its_grace(folders: StackFolders) -> None:
    deaf = WORKER.replace("signal.signal(signal.SIGTERM, end)", "signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    with running(folders, replace(worker(folders, "job", deaf), grace_seconds=0.2)) as run:
        eventually(healthy(run))
        pid = run.process("job").pid
        assert pid is not None
    assert not _is_alive(pid)


def test_a_second_supervisor_of_the_same_project_is_refused(folders: StackFolders) -> None:
    with running(folders, worker(folders, "log")) as run:
        eventually(healthy(run))
        with pytest.raises(AlreadyRunningError) as raised:
            Supervisor(folders, []).run(Event())
        assert str(raised.value) == (
            f"a stack runs on this project already, with pid {os.getpid()}\n"
            f"  where:  {folders.root}\n"
            "  try:    headrace down"
        )
    assert not is_supervised(folders)


def test_the_state_of_a_supervisor_that_is_gone_is_not_taken_for_a_running_one(folders: StackFolders) -> None:
    with running(folders, worker(folders, "log")) as run:
        eventually(healthy(run))
        assert running_state(folders) == run.states[-1]
    assert running_state(folders) is None
    last = last_state(folders)
    assert last is not None
    assert last.phase == "stopped"


def test_logs_of_earlier_runs_are_kept_beside_the_new_one(folders: StackFolders) -> None:
    talker = worker(folders, "job", f"import sys; print('hello', flush=True)\n{WORKER}")
    for _ in range(2):
        with running(folders, talker) as run:
            eventually(healthy(run))
    assert folders.log_file("job").read_text() == "hello\n"
    assert (folders.logs / "job.1.log").read_text() == "hello\n"


SUPERVISED = """
import sys
from pathlib import Path
from threading import Event
from headrace.stack.folders import StackFolders
from headrace.stack.spec import ProcessSpec, ReadyFile
from headrace.stack.supervisor import Supervisor
folders = StackFolders(Path(sys.argv[1]))
java = sys.argv[2:5]
python = [sys.executable, "-c", sys.argv[5], str(folders.ready_file("python")), str(folders.project / "journal"), "p"]
specs = [
    ProcessSpec("java", (*java, "headrace.Leash", "trial.Nap", str(folders.ready_file("java"))),
                ReadyFile(folders.ready_file("java"))),
    ProcessSpec("python", tuple(python), ReadyFile(folders.ready_file("python"))),
]
Supervisor(folders, specs).run(Event())
"""
NAP = """\
package trial;
public class Nap {
    public static void main(String[] args) throws Exception {
        java.nio.file.Files.createFile(java.nio.file.Path.of(args[0]));
        Thread.sleep(600_000);
    }
}
"""


def test_no_python_and_no_jvm_outlives_a_supervisor_that_was_killed(folders: StackFolders) -> None:
    source = folders.project / "Nap.java"
    source.write_text(NAP)
    classpath = f"{stack_jar()}:{compile_java([source], [], 'nap')}"
    command = [sys.executable, "-c", SUPERVISED, str(folders.project), str(java_command()), "-cp", classpath, WORKER]
    supervisor = subprocess.Popen(command, start_new_session=True)
    try:
        eventually(lambda: (state := last_state(folders)) is not None and state.phase == "healthy", 40)
        state = running_state(folders)
        assert state is not None
        pids = [each.pid for each in state.processes if each.pid is not None]
        assert len(pids) == 2
    finally:
        supervisor.kill()
        supervisor.wait()
    eventually(lambda: not any(_is_alive(pid) for pid in pids))
    assert not is_supervised(folders)


def _is_alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
