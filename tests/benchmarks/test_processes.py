"""What processes cost, and that only our own are ended."""

import os
import subprocess
import sys
from pathlib import Path

from benchmarks.processes import cpu_ms, pinned, process_tree, pss_bytes, stop

PARENT_OF_A_CHILD = '''
import subprocess, sys, time
# CPU time is counted in steps of 10 ms, of user and system apart
code = """
import time
while time.process_time() < 0.05: pass
print('up', flush=True)
time.sleep(60)
"""
child = subprocess.Popen([sys.executable, "-c", code])
time.sleep(60)
'''


def start_family() -> "subprocess.Popen[bytes]":
    process = subprocess.Popen([sys.executable, "-c", PARENT_OF_A_CHILD], stdout=subprocess.PIPE)
    assert process.stdout
    assert process.stdout.readline() == b"up\n"
    process.stdout.close()
    return process


def test_a_tree_is_measured_and_ended_as_a_whole() -> None:
    process = start_family()
    family = process_tree(process.pid)
    assert len(family) == 2
    assert pss_bytes(process.pid) > 1_000_000
    assert cpu_ms(process.pid) > 0
    stop(process)
    assert process.returncode is not None
    assert not any(Path(f"/proc/{pid}/exe").exists() for pid in family)


def test_a_process_that_is_gone_costs_nothing() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert pss_bytes(process.pid) == 0
    stop(process)


def test_pinning_holds_inside_the_block_only() -> None:
    before = os.sched_getaffinity(0)
    with pinned(1):
        assert os.sched_getaffinity(0) == {min(before)}
    assert os.sched_getaffinity(0) == before
