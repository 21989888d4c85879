"""Clients that ask a gateway all the time, and what they were answered."""

import http.client
import threading
import time
from collections import Counter
from contextlib import contextmanager


class Load:
    """Several clients, each with a pause between its requests; half of them keep a connection."""

    def __init__(self, address, host, path, body=b'{"instances": [1]}', clients=4, pause=0.02):
        self.address, self.host, self.path, self.pause = address, host, path, pause
        self.body = body
        self.answers = Counter()  # by status, 0 for none, and version
        self.failures = []
        self._stop, self._lock = threading.Event(), threading.Lock()
        self._threads = [
            threading.Thread(target=self._ask, args=(number % 2 == 0,), daemon=True)
            for number in range(clients)
        ]

    @property
    def total(self):
        return sum(self.answers.values())

    def failed(self):
        """How many requests got no answer, or one that is not 200."""
        return sum(number for (status, _), number in self.answers.items() if status != 200)

    def by_version(self):
        return {v: self.answers[200, v] for status, v in [*self.answers] if status == 200}

    def reset(self):
        with self._lock:
            self.answers.clear()
            self.failures.clear()

    def _ask(self, keep):
        connection = None
        headers = {"Host": self.host, "Content-Type": "application/json"}
        while not self._stop.is_set():
            status, version = 0, ""
            try:
                connection = connection or http.client.HTTPConnection(self.address, timeout=10)
                connection.request("POST", self.path, self.body, headers)
                answer = connection.getresponse()
                text = answer.read()
                status, version = answer.status, answer.getheader("X-Model-Version", "")
            except (OSError, http.client.HTTPException) as error:
                text, connection = repr(error).encode(), None
            with self._lock:
                self.answers[status, version] += 1
                if status != 200:
                    self.failures.append((time.strftime("%H:%M:%S"), status, version, text[:80]))
            if connection and not keep:
                connection.close()
                connection = None
            time.sleep(self.pause)

    def start(self):
        for each in self._threads:
            each.start()

    def stop(self):
        self._stop.set()
        for each in self._threads:
            each.join(15)


@contextmanager
def load(*arguments, **options):
    """Ask while inside."""
    clients = Load(*arguments, **options)
    clients.start()
    try:
        yield clients
    finally:
        clients.stop()
