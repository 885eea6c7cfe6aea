"""How many threads a process computes with."""

from __future__ import annotations

import subprocess
import sys

# Independent products, each too small for TensorFlow to split, that two threads would share.
PROGRAM = """
import psutil
from training.threads import use_threads
use_threads(1, processes_here=1)
import tensorflow as tf
matrices = [tf.random.normal((400, 400)) for _ in range(8)]
def products(count):
    results = [matrix / 400 for matrix in matrices]
    for _ in range(count):
        results = [result @ matrix / 400 for result, matrix in zip(results, matrices)]
    return tf.add_n(results)
compiled = tf.function(lambda: products(60))
compiled()
def spent():
    return {thread.id: thread.user_time for thread in psutil.Process().threads()}
before = spent()
for _ in range(4):
    compiled()
busy = [after - before.get(thread, 0) for thread, after in spent().items()]
print(sum(seconds > 0.1 * sum(busy) for seconds in busy))
"""


def test_one_thread_computes_one_operation_at_a_time() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "1"
