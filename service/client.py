"""A client in Python that loads nothing of the server.

    with Client("http://127.0.0.1:8000") as client:
        answer = client.classify("cat.jpg", top_k=3)
        print(answer.predictions[0].label)

A request that was shed (429 or 503) is sent again after the server's `Retry-After` (RFC 9110,
section 10.2.3), or after a growing pause where there is none; so is one whose connection broke,
since classifying twice does no harm.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlencode

import urllib3
from urllib3.exceptions import HTTPError, LocationValueError

from service.errors import FeatherboxError, RequestFailed, ServerUnreachable

Image = bytes | str | Path


@dataclass(frozen=True, slots=True)
class Prediction:
    """One label with its probability, 0 to 1."""

    label: str
    index: int
    probability: float


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one image; the times are milliseconds by stage."""

    model: str
    version: str
    predictions: tuple[Prediction, ...]
    timings_ms: Mapping[str, float]
    request_id: str


class Client:
    """Asks one server; safe to share between threads."""

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        token: str | None = None,
        timeout_s: float = 30.0,
        retries: int = 5,
        longest_pause_s: int = 30,
        connections: int = 10,
    ) -> None:
        """Take note of the server; nothing is sent yet.

        Args:
            url: where the server listens, with or without a path in front of its routes.
            token: a bearer token, where the server wants one.
            timeout_s: most seconds to wait for each answer.
            retries: how often a shed or broken request is sent again.
            longest_pause_s: most seconds to wait between two tries, whatever the server says.
            connections: most connections that are kept open.

        Raises:
            ServerUnreachable: the URL is none.
        """
        again = urllib3.Retry(
            total=retries,
            read=2,
            redirect=False,
            status_forcelist=(429, 503),
            allowed_methods=None,
            backoff_factor=0.2,
            backoff_max=longest_pause_s,
            backoff_jitter=0.2,
            retry_after_max=longest_pause_s,
            raise_on_status=False,
        )
        self._url = url.rstrip("/")
        if not self._url.startswith(("http://", "https://")):
            raise ServerUnreachable(f"{url!r} is no URL: it begins with http:// or https://.")
        self._pool = urllib3.PoolManager(
            maxsize=connections,
            headers={"Authorization": f"Bearer {token}"} if token else None,
            timeout=urllib3.Timeout(connect=timeout_s, read=timeout_s),
            retries=again,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()

    def classify(
        self,
        image: Image,
        *,
        model: str | None = None,
        top_k: int | None = None,
        deadline_ms: int | None = None,
    ) -> Answer:
        """Classify one image: its bytes, or the path of its file.

        Args:
            image: the bytes of an image file, or where it is.
            model: `name` or `name:version`; None is the server's default.
            top_k: how many labels; None leaves it to the server.
            deadline_ms: drop the request if the answer is not ready by then.

        Raises:
            RequestFailed: the server answered with an error, also after the last try.
            ServerUnreachable: there was no answer.
            OSError: the file cannot be read.
        """
        data = image if isinstance(image, bytes) else Path(image).read_bytes()
        headers = {"Content-Type": "application/octet-stream", **_deadline(deadline_ms)}
        query = _query(model=model, top_k=top_k)
        return _answer(self._ask("POST", f"/classify{query}", body=data, headers=headers))

    def classify_batch(
        self,
        images: Sequence[Image],
        *,
        model: str | None = None,
        top_k: int | None = None,
        deadline_ms: int | None = None,
    ) -> list[Answer | RequestFailed]:
        """Classify several images in one request; a bad one has its error in its place.

        Args and errors are those of `classify`.
        """
        fields = [("image", _file(number, image)) for number, image in enumerate(images)]
        body, content_type = urllib3.encode_multipart_formdata(fields)
        headers = {"Content-Type": content_type, **_deadline(deadline_ms)}
        query = _query(model=model, top_k=top_k)
        document = self._ask("POST", f"/classify/batch{query}", body=body, headers=headers)
        shared = {key: document[key] for key in ("model", "version", "request_id")}
        return [
            RequestFailed(200, error["code"], error["detail"], shared["request_id"])
            if (error := result.get("error"))
            else _answer({**shared, **result})
            for result in document["results"]
        ]

    def models(self) -> dict[str, Any]:
        """Return the document of GET /models: facts and measurements of every model."""
        return self._ask("GET", "/models")

    def model(self, name: str) -> dict[str, Any]:
        """Return the document of GET /models/{name}."""
        return self._ask("GET", f"/models/{quote(name, safe='')}")

    def latency(self) -> dict[str, Any]:
        """Return the document of GET /latency: percentiles by model and stage."""
        return self._ask("GET", "/latency")

    def ready(self) -> bool:
        """Say whether the server can classify now.

        Raises:
            ServerUnreachable: there was no answer.
        """
        try:
            return self._send("GET", "/readyz", retries=False).status == 200
        except HTTPError as error:
            raise _unreachable(self._url, error) from None

    def _ask(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        try:
            response = self._send(method, path, **request)
        except (HTTPError, LocationValueError) as error:
            raise _unreachable(self._url, error) from None
        try:
            document = response.json()
        except ValueError:
            document = None
        if response.status != 200 or not isinstance(document, dict):
            raise _failure(response.status, document)
        return document

    def _send(self, method: str, path: str, **request: Any) -> urllib3.BaseHTTPResponse:
        headers = {**(self._pool.headers or {}), **request.pop("headers", {})}
        return self._pool.request(method, self._url + path, headers=headers, **request)


def _query(**parameters: object) -> str:
    given = {name: value for name, value in parameters.items() if value is not None}
    return f"?{urlencode(given)}" if given else ""


def _deadline(deadline_ms: int | None) -> dict[str, str]:
    return {} if deadline_ms is None else {"X-Request-Timeout-Ms": str(deadline_ms)}


def _file(number: int, image: Image) -> tuple[str, bytes, str]:
    if isinstance(image, bytes):
        return f"{number}", image, "application/octet-stream"
    path = Path(image)
    return path.name, path.read_bytes(), "application/octet-stream"


def _answer(document: dict[str, Any]) -> Answer:
    return Answer(
        document["model"],
        document["version"],
        tuple(
            Prediction(p["label"], p["index"], p["probability"]) for p in document["predictions"]
        ),
        document["timings_ms"],
        document["request_id"],
    )


def _failure(status: int, problem: object) -> RequestFailed:
    """Make an error of a problem document (RFC 9457), or of what a proxy said instead."""
    if isinstance(problem, dict) and isinstance(problem.get("code"), str):
        return RequestFailed(
            status, problem["code"], str(problem.get("detail")), problem.get("request_id")
        )
    return RequestFailed(
        status, "unknown", f"The answer, status {status}, is not one of a Featherbox server."
    )


def _unreachable(url: str, error: Exception) -> FeatherboxError:
    return ServerUnreachable(f"No answer from {url}: {type(error).__name__}.")
