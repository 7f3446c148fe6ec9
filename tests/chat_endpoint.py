"""An endpoint on this machine that behaves as badly as a test wants."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Reply:
    """What the endpoint does with one request."""

    body: bytes = b""
    status: int = 200
    headers: dict = field(default_factory=dict)
    hang: bool = False
    """Says nothing until the client is gone."""
    cut: bool = False
    """Breaks off in the middle of the body."""


def said(text, *, finish="stop", prompt_tokens=100, completion_tokens=10, **more):
    """A chat completion."""
    body = {
        "id": "c1",
        "object": "chat.completion",
        "model": "m",
        "choices": [{"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text}}],
        "usage": {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens},
    }
    return Reply(json.dumps(body).encode(), **more)


def completed(text, *, finish="stop", prompt_tokens=100, completion_tokens=10):
    """A completion of a whole prompt."""
    body = {
        "id": "c1",
        "object": "text_completion",
        "choices": [{"index": 0, "finish_reason": finish, "text": text, "logprobs": None}],
        "usage": {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens},
    }
    return Reply(json.dumps(body).encode())


def serving(*models):
    """The list of models, each a name or a mapping."""
    data = [{"object": "model", **(item if isinstance(item, dict) else {"id": item})} for item in models]
    return Reply(json.dumps({"object": "list", "data": data}).encode())


def error(status, message="", code=None, **headers):
    """An error in the usual shape."""
    body = json.dumps({"error": {"message": message, "type": "error", "code": code, "param": None}})
    return Reply(body.encode(), status, {name.replace("_", "-"): value for name, value in headers.items()})


class Endpoint:
    """Answers each request with `answer(body, number)`; number counts from 0. `models` is what GET /models replies."""

    def __init__(self, answer, models=None):
        self.answer = answer
        self.models = models if models is not None else error(404, "no such route")
        self.bodies = []
        self.paths = []
        self.headers = []
        self.closing = threading.Event()
        self._lock = threading.Lock()

    def __enter__(self):
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                body = json.loads(raw)
                with endpoint._lock:
                    number = len(endpoint.bodies)
                    endpoint.bodies.append(body)
                    endpoint.paths.append(self.path)
                    endpoint.headers.append({name.lower(): value for name, value in self.headers.items()})
                self._say(endpoint.answer(body, number))

            def do_GET(self):
                self._say(endpoint.models if self.path == "/v1/models" else error(404, self.path))

            def _say(self, reply):
                if reply.hang:
                    endpoint.closing.wait(30)
                    return
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body[: len(reply.body) // 2] if reply.cut else reply.body)

            def log_message(self, *parts):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, request, client_address):
                pass  # a client that went away

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *exception):
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()

    @property
    def users(self):
        """The last message of each request."""
        return [body["messages"][-1]["content"] for body in self.bodies]


def items_of(body):
    """The items that the llm judge asks about in one request."""
    return json.loads(body["messages"][-1]["content"].rpartition("\n\n")[0])


def same_words(reply, answers):
    """What a plain judge goes by: whether an answer stands in the reply."""
    return any(answer.lower() in reply.lower() for answer in answers)


def verdict_of(item):
    """A plain verdict about one item."""
    return next((name for name in "AB" if same_words(item["reply"], item[name])), "neither")


def judged(body, number=0):
    """An endpoint that judges plainly."""
    return said(json.dumps({"verdicts": [{"id": item["id"], "verdict": verdict_of(item)} for item in items_of(body)]}))
