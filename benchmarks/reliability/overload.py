"""Rows 1 to 8: more requests than it can answer. The server has CPU 0, the generator CPU 1."""

import http.client
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from benchmarks.closed_loop import closed_loop
from benchmarks.photos import make_photos
from benchmarks.reliability.flood import Flood, flood
from benchmarks.reliability.row import Options, Outcome
from benchmarks.reliability.serving import MODEL, Server, on_cpu, serving, timed_post, yardstick
from benchmarks.summary import percentile
from benchmarks.traffic import Traffic
from service.settings import Settings

_CLIENTS = (2, 8)
_PHOTOS = 20
_LARGE = (3264, 2448)
_RECOVERED = 5  # probes in a row
_MOST_RECOVERY_S = 10.0


@dataclass(frozen=True, slots=True)
class Overload:
    """One server: its peak rate, its latency when nobody else asks, and two floods."""

    peak: float
    unloaded_p99_ms: float
    double: Flood
    tenfold: Flood
    recovery_s: float


@cache
def ours(options: Options) -> Overload:
    """Flood our server."""
    with serving(options.repository, cpu=0, models=MODEL, log_level="warning") as server:
        return _overload(server, options.seconds)


@cache
def plain(options: Options) -> Overload | None:
    """Flood the yardstick."""
    if not options.yardstick:
        return None
    with yardstick(options, cpu=0) as server:
        return _overload(server, options.seconds)


def _overload(server: Server, seconds: float) -> Overload:
    photos = make_photos(_PHOTOS)
    traffic = Traffic(tuple(photos))
    with on_cpu(1):
        unloaded = _unloaded_p99_ms(server.port, photos, seconds / 4)
        peak = max(closed_loop(server.port, traffic, n, seconds / 2).per_s for n in _CLIENTS)
        requests = traffic.requests()
        double = flood(server.port, [requests], 2 * peak, seconds, cpu=1)
        time.sleep(1.0)  # the queue of the yardstick runs dry
        tenfold = flood(server.port, [requests], 10 * peak, seconds, cpu=1)
        return Overload(peak, unloaded, double, tenfold, _recovery_s(server, photos, unloaded))


def _unloaded_p99_ms(port: int, photos: list[bytes], seconds: float) -> float:
    return percentile(_one_client(port, photos, seconds), 0.99)


def _one_client(port: int, photos: list[bytes], seconds: float) -> list[float]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    times = []
    until, turn = time.monotonic() + seconds, 0
    while time.monotonic() < until or turn < 20:
        status, _, ms = timed_post(connection, photos[turn % len(photos)])
        times.append(ms if status == 200 else float("inf"))
        turn += 1
    connection.close()
    return times


def _recovery_s(server: Server, photos: list[bytes], unloaded_p99_ms: float) -> float:
    """Ask every 100 ms; return when the first of five probes began whose median is as unloaded."""
    started, began, times = time.monotonic(), [], []
    while time.monotonic() - started < _MOST_RECOVERY_S:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        began.append(time.monotonic() - started)
        status, _, ms = timed_post(connection, photos[0])
        times.append(ms if status == 200 else float("inf"))
        connection.close()
        latest = times[-_RECOVERED:]
        if len(latest) == _RECOVERED and sorted(latest)[_RECOVERED // 2] <= unloaded_p99_ms:
            return began[-_RECOVERED]
        time.sleep(0.1)
    return float("inf")


def goodput_at_double(options: Options) -> Outcome:
    """Row 1."""
    return _goodput(options, lambda load: load.double, 0.90)


def goodput_at_tenfold(options: Options) -> Outcome:
    """Row 2."""
    return _goodput(options, lambda load: load.tenfold, 0.70)


def _goodput(options: Options, pick: Callable[[Overload], Flood], target: float) -> Outcome:
    def share(load: Overload) -> float:
        return pick(load).goodput() / load.peak

    mine, other = ours(options), plain(options)
    run = pick(mine)
    return Outcome(
        f"{share(mine):.2f} of {mine.peak:.0f}/s",
        f"at least {target:.2f}",
        share(mine) >= target,
        f"{share(other):.2f} of {other.peak:.0f}/s" if other else "",
        f"{run.sent} sent, {run.count(200)} answered, {run.count(503)} shed; "
        f"generator {run.lateness_ms():.0f} ms late (p99)",
    )


def accepted_latency(options: Options) -> Outcome:
    """Row 3."""
    mine, other = ours(options), plain(options)
    places = Settings().queue_per_thread + 1
    bound = places / mine.peak * 1e3 + 2 * mine.unloaded_p99_ms
    found = mine.tenfold.p99_ms(200)
    return Outcome(
        f"p99 {found:.0f} ms",
        f"at most {bound:.0f} ms",
        found <= bound,
        f"p99 {other.tenfold.p99_ms(200):.0f} ms" if other else "",
        f"{places} places at {mine.peak:.0f}/s, unloaded p99 {mine.unloaded_p99_ms:.1f} ms",
    )


def rejections(options: Options) -> Outcome:
    """Row 4."""
    mine, other = ours(options), plain(options)
    run = mine.tenfold
    found, refused = run.p99_ms(503), [a for a in run.answers if a.status == 503]
    complete = all(a.complete for a in refused)
    return Outcome(
        f"p99 {found:.0f} ms, {'all' if complete else 'not all'} with Retry-After and JSON",
        "at most 50 ms, all",
        bool(refused) and found <= 50 and complete,
        "never refuses" if other and not other.tenfold.count(503) else "",
        f"of {len(refused)}",
    )


def unaccounted(options: Options) -> Outcome:
    """Row 5."""

    def lost(run: Flood) -> tuple[int, int, int]:
        return run.unanswered, run.broken, run.count(500)

    mine, other = ours(options), plain(options)
    found = lost(mine.tenfold)
    return Outcome(
        "{} lost, {} reset, {} x 500".format(*found),
        "0, 0, 0",
        found == (0, 0, 0),
        "{} lost, {} reset, {} x 500".format(*lost(other.tenfold)) if other else "",
        f"of {mine.tenfold.sent}; not sent because 512 were under way: {mine.tenfold.unsent}"
        + (f", plain FastAPI {other.tenfold.unsent}" if other else ""),
    )


def memory_of_large_photos(options: Options) -> Outcome:
    """Row 6."""
    photos = make_photos(4, _LARGE)
    traffic = Traffic(tuple(photos))
    with serving(options.repository, cpu=0, models=MODEL, log_level="warning") as server:
        idle = server.rss_mb()
        with on_cpu(1):
            peak = closed_loop(server.port, traffic, 2, options.seconds / 4).per_s
            server.forget_peak()
            run = flood(server.port, [traffic.requests()], 10 * peak, options.seconds, cpu=1)
        found = server.peak_mb()
    bound = idle + 80 + 50
    return Outcome(
        f"{found:.0f} MB",
        f"at most {bound:.0f} MB and 512 MB",
        found <= min(bound, 512),
        note=f"idle {idle:.0f} MB; {len(photos[0]) / 1e6:.1f} MB files, {run.sent} sent, "
        f"{run.count(200)} answered, {run.count(503)} shed, {run.broken} reset, "
        f"{run.unanswered} lost",
    )


def recovery(options: Options) -> Outcome:
    """Row 7."""
    found = ours(options).recovery_s
    return Outcome(f"{found:.1f} s", "at most 2 s", found <= 2)


def health(options: Options) -> Outcome:
    """Row 8."""
    run = ours(options).tenfold
    p99 = percentile(run.probes_ms, 0.99)
    return Outcome(
        f"p99 {p99:.0f} ms, {run.probes_failed} failed",
        "at most 100 ms, 0 failed",
        p99 <= 100 and not run.probes_failed,
        note=f"{len(run.probes_ms)} probes of /livez and /readyz in turn, from the generator",
    )
