"""What the routes share: built once by `create_app`, kept on `app.state`."""

from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from service.api.access import Access
from service.api.guards import RequestGuard
from service.api.held import HeldBodies
from service.api.ledger import Ledger
from service.api.metrics import Metrics
from service.api.peers import Peers
from service.api.shadow import Shadow
from service.engine.benchmarks import Benchmarks
from service.engine.chooser import Chooser
from service.engine.decode import DecodeLimits
from service.engine.host import Host
from service.engine.keeper import Keeper
from service.engine.prober import Prober
from service.engine.repository import ModelRepository
from service.engine.workers import WorkerPool
from service.settings import Settings


@dataclass(frozen=True, slots=True)
class Context:
    """The parts of a running service."""

    settings: Settings
    host: Host
    repository: ModelRepository
    keeper: Keeper
    prober: Prober
    pool: WorkerPool
    metrics: Metrics
    ledger: Ledger
    bodies: HeldBodies
    peers: Peers
    limits: DecodeLimits
    benchmarks: Benchmarks
    chooser: Chooser
    shadow: Shadow | None
    access: Access
    guards: list[RequestGuard] = field(default_factory=list)


def context_of(request: Request) -> Context:
    """Return the context of the app that serves a request."""
    context: Context = request.app.state.context
    return context


ContextDep = Annotated[Context, Depends(context_of)]
