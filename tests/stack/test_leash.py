"""The leash: what held it takes along what it has started."""

import subprocess
import sys
import time

import psutil

# The grandchild reads nothing and would sleep for an hour.
HOLDER = """
import subprocess, sys, time
from headrace.stack.leash import hold_leash
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"], stdin=subprocess.DEVNULL)
print(child.pid, flush=True)
hold_leash()
time.sleep(3600)
"""


def test_the_leader_of_a_group_takes_it_along_when_its_input_ends() -> None:
    command = [sys.executable, "-c", HOLDER]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
    assert holder.stdin is not None
    assert holder.stdout is not None
    grandchild = psutil.Process(int(holder.stdout.readline()))
    holder.stdin.close()
    assert holder.wait(10) != 0
    holder.stdout.close()
    deadline = time.monotonic() + 10
    while grandchild.is_running() and grandchild.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the grandchild lives on"
        time.sleep(0.05)
