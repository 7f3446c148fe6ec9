"""A progress that keeps what it hears, and a clock that a test moves."""

from __future__ import annotations

from restor.progress import Progress


class Heard(Progress):
    """Keeps every call, the name of its method first."""

    def __init__(self):
        self.calls = []

    def expect(self, ahead, usual):
        self.calls.append(("expect", ahead, usual))

    def begin(self, stage, detail, number, total):
        self.calls.append(("begin", stage, detail, number, total))

    def advance(self, done, total, loss):
        self.calls.append(("advance", done, total, loss))

    def end(self, cached, seconds):
        self.calls.append(("end", cached, seconds))

    def fail(self, reason):
        self.calls.append(("fail", reason))

    def note(self, message):
        self.calls.append(("note", message))

    def of(self, name):
        """What the calls of one method were given."""
        return [given for call, *given in self.calls if call == name]

    @property
    def notes(self):
        return [message for (message,) in self.of("note")]


class Clock:
    """Stands still until a test moves it."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now
