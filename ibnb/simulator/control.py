"""The control port: a gateway's verbs as HTTP and JSON, on this machine's loopback only.

``POST /VERB`` with a JSON object does it and answers ``{"result": ...}``; ``GET /`` and
``GET /VERB`` describe the verbs. What makes no sense is answered by one line of JSON,
``{"error": ...}``, that says what is wrong and what to do.

Programs on this machine may use it, web pages may not: whoever is asked under another name than
the loopback's, has an Origin, or sends anything but JSON is turned away.
"""

from __future__ import annotations

import asyncio
import json
import threading
from concurrent.futures import Future
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ibnb.tws.own import LOOPBACK

from .door import listen
from .handle import Handle
from .naming import VerbError
from .verbs import VERBS, verb_named

if TYPE_CHECKING:
    from tornado.httputil import HTTPServerRequest
    from tornado.web import Application

_NAMES = frozenset({LOOPBACK, "localhost", "[::1]"})
_JSON = "application/json"
_MOST_BYTES = 1024 * 1024
_BAD, _FORBIDDEN, _NO_VERB, _NOT_ALLOWED, _NOT_JSON = 400, 403, 404, 405, 415


class ControlUnavailableError(RuntimeError):
    """The control port needs a package that is not installed. One line."""


class ControlPort:
    """Serves a gateway's verbs while it is open, in a thread of its own.

    Args:
        handle: the gateway.
        port: where to listen; 0 for any free port.

    Raises:
        ControlUnavailableError: tornado is not installed.
        PortTakenError: another program has the port.
        OSError: the port cannot be used for another reason.
    """

    def __init__(self, handle: Handle, port: int = 0) -> None:
        self._application = _application(handle)
        self._socket = listen(port)
        self._socket.setblocking(False)
        self.port: int = self._socket.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._run, name=f"ibnb-sim-control-{self.port}", daemon=True
        )
        self._started: Future[None] = Future()
        self._ended = asyncio.Event()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://{LOOPBACK}:{self.port}"

    def __enter__(self) -> Self:
        """Serve."""
        self._thread.start()
        self._started.result()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Give the port up; return when the thread has ended."""
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            asyncio.set_event_loop(None)
            self._loop.close()

    async def _serve(self) -> None:
        from tornado.httpserver import HTTPServer

        server = HTTPServer(self._application, max_body_size=_MOST_BYTES)
        server.add_socket(self._socket)
        self._started.set_result(None)
        await self._ended.wait()
        server.stop()
        await server.close_all_connections()


def _application(handle: Handle) -> Application:
    try:
        import tornado.web
    except ImportError:
        raise ControlUnavailableError(
            "a control port needs tornado, which is not installed: pip install 'ibnb[sim]'"
        ) from None

    class VerbHandler(tornado.web.RequestHandler):
        """One verb, or all of them."""

        async def get(self, name: str) -> None:
            """Answer, whatever the method is."""
            try:
                _check_caller(self.request)
                document = await _answer(handle, self.request, name)
            except _RefusedError as refused:
                self.set_status(refused.status)
                document = {"error": " ".join(str(refused).split())}
            self.set_header("Content-Type", _JSON)
            self.finish(json.dumps(document) + "\n")

        head = post = delete = patch = put = options = get

    return tornado.web.Application([("/([^/]*)", VerbHandler)], log_function=lambda _: None)


class _RefusedError(Exception):
    """A request is not served; the text says why and what to do."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


def _check_caller(request: HTTPServerRequest) -> None:
    """Turn away whatever may be a web page."""
    asked = request.headers.get("Host", "")
    name, colon, port = asked.rpartition(":")
    if (name if colon and port.isdigit() else asked).lower() not in _NAMES:
        raise _RefusedError(_FORBIDDEN, f"Host {asked!r} is not this machine's: ask {LOOPBACK}")
    if "Origin" in request.headers:
        raise _RefusedError(_FORBIDDEN, "a web page may not steer the gateway: use a program")


async def _answer(handle: Handle, request: HTTPServerRequest, name: str) -> dict[str, Any]:
    """Describe verbs, or do one."""
    try:
        verb = verb_named(name) if name else None
    except VerbError as error:
        raise _RefusedError(_NO_VERB, str(error)) from None
    if request.method == "GET":
        shown = [one.to_dict() for one in VERBS.values()]
        return {"verb": verb.to_dict()} if verb else {"verbs": shown}
    if request.method != "POST" or verb is None:
        raise _RefusedError(
            _NOT_ALLOWED, f"{request.method} {request.path} does nothing: POST /VERB, or GET /"
        )
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip()
    if kind.lower() != _JSON:
        raise _RefusedError(_NOT_JSON, f"the content type is {kind or 'not given'}: send {_JSON}")
    given = _parameters(request.body)
    try:
        # Not on this loop: the gateway's thread may have to wait for it meanwhile.
        return {"result": await asyncio.to_thread(verb.call, handle, given)}
    except VerbError as error:
        raise _RefusedError(_BAD, str(error)) from None


def _parameters(body: bytes) -> dict[str, Any]:
    try:
        given = json.loads(body or b"{}")
    except (ValueError, RecursionError) as error:
        raise _RefusedError(
            _BAD, f"the body is not JSON ({error}): send an object of parameters"
        ) from None
    if not isinstance(given, dict):
        raise _RefusedError(_BAD, "the body is not an object: send one of parameters, or {}")
    return given
