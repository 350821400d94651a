"""A full subscriber outlives the bus: with ZMTP heartbeats on, libzmq 4.3.5 ends the whole process by an assertion (docs/decisions/060)."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

# Its queue full, its connection gone, and then nothing is read for longer than a heartbeat would take.
FULL = """
import sys, time, zmq
from bus.sockets import QUEUE_MESSAGES_MAX, new_socket, subscriber

ours, theirs = zmq.Context(), zmq.Context()
publisher = new_socket(theirs, zmq.XPUB)
publisher.setsockopt(zmq.SNDHWM, 0)
publisher.bind(sys.argv[1])
reader = subscriber(ours, publisher.getsockopt(zmq.LAST_ENDPOINT).decode(), [b""])
publisher.recv()
for _ in range(3 * QUEUE_MESSAGES_MAX):
    publisher.send(b"x" * 100)
assert reader.poll(30_000)
time.sleep(0.2)
publisher.close()
theirs.term()
time.sleep(2.3)
reader.recv()
reader.close()
ours.term()
print("alive")
"""


def test_a_subscriber_whose_queue_is_full_survives_the_end_of_the_bus(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL, f"ipc://{tmp_path}/bus.sock"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "alive"), done.stderr
