"""The peers by name. Their libraries are imported where they are used: one may be missing where it is not asked for."""

from bench.engine.peer.peer import Peer

# Celery with each pool that can win, at the concurrency at which it was the fastest here.
NAMES = ("flat_celery_threads", "flat_celery_prefork", "rq", "dramatiq", "canvas")


def open_peer(name: str) -> Peer:
    """Return the peer of this name; KeyError for an unknown one."""
    if name == "rq":
        from bench.engine.peer.rq_peer import RqPeer

        return RqPeer()
    if name == "dramatiq":
        from bench.engine.peer.dramatiq_peer import DramatiqPeer

        return DramatiqPeer()
    from bench.engine.peer.celery_peer import CeleryPeer

    return {
        "flat_celery_threads": CeleryPeer("threads", 8),
        "flat_celery_prefork": CeleryPeer("prefork", 2),
        "canvas": CeleryPeer("prefork", 2, is_canvas=True),
    }[name]
