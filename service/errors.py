"""Every error that this project raises on purpose, in one tree.

    FeatherboxError
    ├── RequestError                 the client can mend it
    │   ├── MalformedRequest         400 malformed_request
    │   ├── EmptyBody                400 empty_body
    │   ├── DamagedImage             400 damaged_image
    │   ├── Unauthorized             401 unauthorized    (with WWW-Authenticate)
    │   ├── Forbidden                403 forbidden
    │   ├── ModelNotFound            404 model_not_found
    │   ├── HeadTooSlow              408 head_too_slow
    │   ├── BodyTooSlow              408 body_too_slow
    │   ├── BenchmarkRunning         409 benchmark_running
    │   ├── BodyTooLarge             413 body_too_large
    │   ├── ImageTooLarge            413 image_too_large
    │   ├── TooManyImages            413 too_many_images
    │   ├── UnsupportedMedia         415 unsupported_media_type
    │   ├── InvalidParameter         422 invalid_parameter
    │   ├── TooManyRequests          429 too_many_requests (with Retry-After)
    │   └── HeadTooLarge             431 head_too_large
    ├── ServiceError                 the client can try again later
    │   ├── Overloaded               503 overloaded      (with Retry-After)
    │   ├── NotReady                 503 not_ready       (with Retry-After)
    │   ├── ModelFailed              503 model_failed
    │   └── DeadlineExceeded         504 deadline_exceeded
    ├── SettingUnusable              a setting names what cannot be used; the process ends
    ├── ArtifactError                a model that cannot be loaded or published
    │   ├── InvalidManifest
    │   ├── HashMismatch, DamagedArchive
    │   ├── UnsafeGraph
    │   ├── ContractViolation
    │   ├── ProviderUnavailable
    │   ├── SelfTestFailed
    │   └── GateFailed
    └── ClientError                  what service.client raises, in the client's process
        ├── RequestFailed            the server answered with an error
        └── ServerUnreachable        it did not answer

`code` is stable and part of the API. `status` is the HTTP status; `service.api.problems` maps it.
The text of an error is written by us and never holds a decoder's or a library's message.
"""

from typing import ClassVar


class FeatherboxError(Exception):
    """Base of the tree; `detail` is one sentence for a person, safe to send to a client."""

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class RequestError(FeatherboxError):
    """The request cannot be answered as it is."""

    code = "bad_request"
    status = 400


class MalformedRequest(RequestError):
    """The body or its framing is not what the route takes."""

    code = "malformed_request"


class EmptyBody(RequestError):
    """No bytes were sent."""

    code = "empty_body"


class DamagedImage(RequestError):
    """The bytes begin like an accepted format and cannot be decoded."""

    code = "damaged_image"


class Unauthorized(RequestError):
    """The token is missing or wrong; `sent` says whether there was one at all."""

    code = "unauthorized"
    status = 401

    def __init__(self, detail: str, *, sent: bool = False) -> None:
        super().__init__(detail)
        self.sent = sent


class Forbidden(RequestError):
    """The token does not allow this, or nobody may do it until a setting says so."""

    code = "forbidden"
    status = 403


class ModelNotFound(RequestError):
    """No model of that name and version is in the repository."""

    code = "model_not_found"
    status = 404


class HeadTooSlow(RequestError):
    """The head of the request did not arrive within its time."""

    code = "head_too_slow"
    status = 408


class BodyTooSlow(RequestError):
    """The body did not arrive within its time."""

    code = "body_too_slow"
    status = 408


class BenchmarkRunning(RequestError):
    """A model is being measured, and only one at a time is."""

    code = "benchmark_running"
    status = 409


class BodyTooLarge(RequestError):
    """The body has more bytes than allowed."""

    code = "body_too_large"
    status = 413


class ImageTooLarge(RequestError):
    """The image has more pixels than allowed."""

    code = "image_too_large"
    status = 413


class TooManyImages(RequestError):
    """The batch has more images than allowed."""

    code = "too_many_images"
    status = 413


class UnsupportedMedia(RequestError):
    """The bytes are of no accepted image format, or the body is encoded."""

    code = "unsupported_media_type"
    status = 415


class InvalidParameter(RequestError):
    """A parameter is out of its range; `errors` has what is wrong by the parameter's name."""

    code = "invalid_parameter"
    status = 422

    def __init__(self, **errors: str) -> None:
        super().__init__("; ".join(f"{name}: {detail}" for name, detail in errors.items()))
        self.errors = errors


class TooManyRequests(RequestError):
    """One client is over its limit; `retry_after_s` says when to come back."""

    code = "too_many_requests"
    status = 429

    def __init__(self, detail: str, retry_after_s: int = 1) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class HeadTooLarge(RequestError):
    """The head of the request has more bytes or headers than allowed."""

    code = "head_too_large"
    status = 431


class ServiceError(FeatherboxError):
    """The service cannot answer now."""

    code = "unavailable"
    status = 503


class Overloaded(ServiceError):
    """All places in the queue are taken; `retry_after_s` says when to come back."""

    code = "overloaded"

    def __init__(self, detail: str, retry_after_s: int = 1) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class NotReady(Overloaded):
    """The models are still being loaded, or the service is going down."""

    code = "not_ready"


class ModelFailed(ServiceError):
    """The model that was asked for is in the repository and could not be loaded."""

    code = "model_failed"


class DeadlineExceeded(ServiceError):
    """The request's time ran out before there was an answer."""

    code = "deadline_exceeded"
    status = 504


class SettingUnusable(FeatherboxError):
    """A setting names something that is not there or not fit."""

    code = "setting_unusable"


class ArtifactError(FeatherboxError):
    """A model folder is not what it claims to be."""

    code = "artifact_error"


class InvalidManifest(ArtifactError):
    """`manifest.json` is missing, unreadable or inconsistent."""

    code = "invalid_manifest"


class HashMismatch(ArtifactError):
    """A file differs from the sha256 in the manifest."""

    code = "hash_mismatch"


class UnsafeGraph(ArtifactError):
    """The graph uses external data, custom operators or links."""

    code = "unsafe_graph"


class DamagedArchive(ArtifactError):
    """`model.fbz` is damaged, cut short, or asks for more memory than its size allows."""

    code = "damaged_archive"


class ContractViolation(ArtifactError):
    """The graph's inputs and outputs are not those of the artifact contract."""

    code = "contract_violation"


class ProviderUnavailable(ArtifactError):
    """An execution provider was asked for and cannot be had."""

    code = "provider_unavailable"


class SelfTestFailed(ArtifactError):
    """The model answers its own test photo differently than its manifest says."""

    code = "selftest_failed"


class GateFailed(ArtifactError):
    """A quality gate does not hold, so nothing is published."""

    code = "gate_failed"


class ClientError(FeatherboxError):
    """Asking a server failed."""

    code = "client_error"


class RequestFailed(ClientError):
    """The server answered with an error; of one image of a batch the status is the batch's."""

    code = "request_failed"

    def __init__(self, status: int, code: str, detail: str, request_id: str | None = None) -> None:
        super().__init__(detail)
        self.answered_status, self.answered_code, self.request_id = status, code, request_id


class ServerUnreachable(ClientError):
    """There is no server at that URL, or its answer did not come in time."""

    code = "server_unreachable"
