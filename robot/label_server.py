"""The contact sheet as a local page: plain HTTP on loopback, behind an address that is not guessed.

    GET  /TOKEN/                    the page, page.css, page.js
    GET  /TOKEN/state               progress and the question, JSON
    GET  /TOKEN/image/KEY/MOMENT/VIEW.png
    POST /TOKEN/answer              {"key": "12-7", "answer": "yes"}; gives the next state
    POST /TOKEN/end                 the sitting is over

Other programs of this machine can reach the port, so nothing is served without the token; a page
of somebody else in the same browser is kept out by the token, the Host header and JSON bodies. It
loads nothing from elsewhere.
"""

import json
import secrets
import threading
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from typing import Any, NamedTuple
from urllib.parse import unquote

from perception.quantities import InputError
from policies.label_book import png_of
from policies.labelling import Shown, Sitting

HOST = "127.0.0.1"
LONGEST_BODY = 1000  # bytes
PATIENCE_S = 10.0  # with a client that says nothing
PAGE = {
    "": ("page.html", "text/html; charset=utf-8"),
    "page.css": ("page.css", "text/css; charset=utf-8"),
    "page.js": ("page.js", "text/javascript; charset=utf-8"),
}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self'; script-src 'self'; "
    "style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Reply(NamedTuple):
    """What a request gets."""

    body: bytes
    kind: str = "application/json"
    status: HTTPStatus = HTTPStatus.OK


class LabelServer:
    """Serves one sitting; a context manager."""

    def __init__(self, sitting: Sitting) -> None:
        """Listens on a free port of loopback.

        Args:
            sitting: of at least one question.

        Raises:
            InputError: there is none, or the first attempt is damaged.
        """
        self._sitting = sitting
        self._lock = threading.Lock()  # one request at a time reads or changes what was answered
        self._view = next(iter(sitting.shown(sitting.questions[0]).attempt.images))  # of the sheet
        self._token = secrets.token_urlsafe(24)
        self.ended = threading.Event()
        try:
            self._server = _Http(self)
        except OSError as error:
            raise InputError(
                f"no page can be served on {HOST} ({error.strerror}); label with --terminal"
            ) from error
        self._thread = threading.Thread(target=self._server.serve_forever, name="label page")

    def __enter__(self) -> "LabelServer":
        """Begins to serve."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Serves nobody any more."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def host(self) -> str:
        """As a browser says it in its Host header."""
        return f"{HOST}:{self._server.server_port}"

    @property
    def url(self) -> str:
        """To be opened by a person."""
        return f"http://{self.host}/{self._token}/"

    def get(self, path: str) -> Reply | None:
        """What is there; None: nothing."""
        match self._parts(path):
            case [name] if name in PAGE:
                file, kind = PAGE[name]
                return Reply((resources.files("robot") / "label_page" / file).read_bytes(), kind)
            case ["state"]:
                with self._lock:
                    return self._state()
            case ["image", key, moment, view] if view.endswith(".png"):
                return self._image(key, moment, view.removesuffix(".png"))
        return None

    def post(self, path: str, body: Any) -> Reply | None:
        """Does what is asked for; None: nothing is there."""
        match self._parts(path), body:
            case ["answer"], {"key": str(key), "answer": str(answer)}:
                with self._lock:
                    return self._answer(key, answer)
            case ["end"], _:
                self.ended.set()
                return Reply(b"{}")
        return None

    def _parts(self, path: str) -> list[str]:
        """Behind the token; nothing where it is another."""
        token, slash, rest = path.removeprefix("/").partition("/")
        is_ours = slash and secrets.compare_digest(token.encode(), self._token.encode())
        return [unquote(part) for part in rest.split("/")] if is_ours else []

    def _answer(self, key: str, answer: str) -> Reply:
        """An answer to a question that is not asked any more changes nothing."""
        shown = self._sitting.current()
        if answer == "undo":
            self._sitting.undo()
        elif answer not in ("yes", "no", "skip"):
            return _plain("answers are yes, no, skip and undo", HTTPStatus.BAD_REQUEST)
        elif shown is None or shown.key != key:
            return _plain("this was answered elsewhere; load the page anew", HTTPStatus.CONFLICT)
        else:
            self._sitting.answer(shown, answer)
        return self._state()

    def _state(self) -> Reply:
        sitting, answers = self._sitting, self._sitting.answers
        shown = sitting.current()
        sheet = [
            {
                "key": f"{one.attempt}-{one.moment}",
                "moment": one.moment,
                "answer": answers.get((one.attempt, one.moment), ""),
            }
            for one in sitting.questions
        ]
        asked = None if shown is None else _told(shown)
        state = {"done": sitting.done, "of": len(sheet), "asked": asked, "sheet": sheet}
        return Reply(json.dumps({**state, "view": self._view}).encode())

    def _image(self, key: str, moment: str, view: str) -> Reply | None:
        for one in self._sitting.questions:
            if f"{one.attempt}-{one.moment}" == key:
                images = self._sitting.shown(one).attempt.images
                if view in images and moment.isdecimal() and int(moment) < len(images[view]):
                    return Reply(png_of(images[view][int(moment)]), "image/png")
        return None


def _told(shown: Shown) -> dict[str, Any]:
    """A question for the page; what the reward said of it is not told, so that nobody is led."""
    return {
        "key": shown.key,
        "moment": shown.question.moment,
        "moments": len(shown.attempt.score),
        "instruction": shown.attempt.about.instruction,
        "views": [*shown.attempt.images],
        "context": shown.context,
    }


def _plain(text: str, status: HTTPStatus) -> Reply:
    return Reply(text.encode(), "text/plain; charset=utf-8", status)


NOT_FOUND = _plain("nothing is here; use the whole address that was printed", HTTPStatus.NOT_FOUND)


class _Handler(BaseHTTPRequestHandler):
    """One request."""

    timeout = PATIENCE_S
    server: "_Http"  # type: ignore[assignment]  # it is made by that alone

    def do_GET(self) -> None:
        """Page, state, images."""
        self._reply(lambda labels: labels.get(self.path))

    def do_POST(self) -> None:
        """Answers."""
        body = self._body()
        if body is None:
            self._send(_plain("give a short JSON object", HTTPStatus.BAD_REQUEST))
        else:
            self._reply(lambda labels: labels.post(self.path, body))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  its base names it so
        """Nothing: the terminal belongs to the command."""

    def _body(self) -> dict[str, Any] | None:
        """The JSON object that came; None: something else did."""
        length = self.headers.get("Content-Length", "")
        is_json = self.headers.get_content_type() == "application/json"
        if not is_json or not length.isdecimal() or int(length) > LONGEST_BODY:
            return None
        try:
            body = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError):
            return None
        return body if isinstance(body, dict) else None

    def _reply(self, made: Callable[[LabelServer], Reply | None]) -> None:
        labels = self.server.labels
        if self.headers.get("Host") != labels.host:
            self._send(NOT_FOUND)
            return
        try:
            self._send(made(labels) or NOT_FOUND)
        except InputError as error:  # a damaged attempt, a full disk: said on the page
            self._send(_plain(str(error), HTTPStatus.INTERNAL_SERVER_ERROR))

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for name, value in {**HEADERS, "Content-Type": reply.kind}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        with suppress(ConnectionError):  # a browser that went on to another image
            self.end_headers()
            self.wfile.write(reply.body)


class _Http(ThreadingHTTPServer):
    """The library's server, which knows whose requests it takes."""

    daemon_threads = True

    def __init__(self, labels: LabelServer) -> None:
        super().__init__((HOST, 0), _Handler)
        self.labels = labels
