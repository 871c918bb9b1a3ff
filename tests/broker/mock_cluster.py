# SPDX-License-Identifier: BSD-3-Clause
"""librdkafka's mock cluster (mock_broker.c), for faults that no real broker makes on demand."""
import subprocess

from servers import Kafka


class Mock:
    def __init__(self, program, brokers=1):
        self.process = subprocess.Popen([program, str(brokers)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.bootstrap = self.process.stdout.readline().strip()

    def say(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "ok\n", text

    def client(self):
        return {"bootstrap.servers": self.bootstrap}

    each, read = Kafka.each, Kafka.read

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(20)
