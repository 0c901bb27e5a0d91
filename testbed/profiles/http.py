"""`http`: a microservice that answers requests, asks its database and calls other services.

A trace is a SERVER span with, below it, a handler (INTERNAL) and under that 1 to 3 database queries and 0 to 2 calls of
other services (CLIENT): 5 spans on average. Two of three traces come from another service, so the SERVER span has a
foreign parent. One span in 16 is a health check of the orchestrator, a trace of its own, with `http.route` =
`/healthz`; in requests of 5 to 20 spans it is one in 20, since a check waits for the trace before it.

Every span has 10 to 20 attributes, by the stable semantic conventions for HTTP, databases and code; its size is
0.5 to 1 KB on average, and about 2 KB with a stack trace. 3 % of the spans end with an error: where something failed
and above it. The span where it failed has an `exception` event with a stack trace of 1 KB. Most SERVER spans carry
`user.email`, most of these and some calls `http.request.header.authorization`, and all but health checks, queries and
some calls `app.tenant`.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Final

from collector.testing import Attribute
from testbed.profiles import people
from testbed.profiles.building import CLIENT, INTERNAL, SERVER, Draft, Scope, Service, Trace
from testbed.profiles.endpoints import ENDPOINTS, Endpoint, summary
from testbed.profiles.templates import HEALTH_ROUTE, Profile

CHECKOUT: Final = Service("checkout", "2.14.0", "go", "1.38.0")
HTTP: Final = Scope("go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp", "0.63.0")
SQL: Final = Scope("github.com/XSAM/otelsql", "0.40.0")
OWN: Final = Scope("example.com/shop/checkout", "2.14.0")

HEALTH_SHARE: Final = 1 / 16
"""Of the spans."""
FAILING_TRACES: Final = 0.065

USER_AGENTS: Final = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:132.0) Gecko/20100101 Firefox/132.0",
    "ShopApp/8.3.1 (iPhone; iOS 18.1; Scale/3.00)",
    "okhttp/4.12.0",
)


def traces(random: Random) -> Iterator[Trace]:
    """Answers to requests, and health checks in between whenever one is due."""
    due = random.random() + HEALTH_SHARE
    while True:
        if due >= 1:
            due += HEALTH_SHARE - 1
            yield Trace(CHECKOUT, _health_check(random))
        else:
            root, spans = _answer(random, random.choice(ENDPOINTS))
            due += HEALTH_SHARE * spans
            yield Trace(CHECKOUT, root)


def _health_check(random: Random) -> Draft:
    attributes = _request(random, "GET", HEALTH_ROUTE, HEALTH_ROUTE, "kube-probe/1.31") | {
        "client.address": people.address(random),
        "http.response.status_code": 200,
        "http.response.body.size": 15,
    }
    return Draft(HTTP, f"GET {HEALTH_ROUTE}", SERVER, attributes, ms=random.uniform(0.1, 0.9))


def _answer(random: Random, endpoint: Endpoint) -> tuple[Draft, int]:
    """One trace, and how many spans it has."""
    tenant = random.choice(people.TENANTS)
    path = endpoint.route.format(id=people.uuid(random), sku=f"sku-{random.randint(10000, 99999)}")
    attributes = _request(random, endpoint.method, endpoint.route, path, random.choice(USER_AGENTS)) | {
        "client.address": f"203.0.113.{random.randint(1, 254)}",
        "http.request.header.x-request-id": [people.uuid(random)],
        "http.response.status_code": 200,
        "http.response.body.size": random.randint(200, 90_000),
        "app.tenant": tenant,
    }
    if random.random() < 0.8:
        attributes["user.email"] = people.email(random)
        if random.random() < 0.9:
            attributes["http.request.header.authorization"] = people.authorization(random)
    root = Draft(HTTP, f"{endpoint.method} {endpoint.route}", SERVER, attributes, ms=random.uniform(0.5, 3))
    root.parent_is_foreign = random.random() < 2 / 3
    handler = root.child(
        OWN, endpoint.handler, INTERNAL, _handler(random, endpoint.handler, tenant), ms=random.uniform(0.3, 2)
    )
    work = [
        handler.child(SQL, summary(text), CLIENT, _query(random, text), ms=random.lognormvariate(1, 0.8))
        for text in endpoint.queries
    ]
    for call in endpoint.calls:
        method, host, route = call.split()
        attributes = _call(random, method, host, route.format(id=people.uuid(random)), tenant)
        work.append(handler.child(HTTP, method, CLIENT, attributes, ms=random.lognormvariate(3, 0.8)))
    if random.random() < FAILING_TRACES:
        _break(random, random.choice(work), above=(handler, root))
    return root, 2 + len(work)


def _request(random: Random, method: str, route: str, path: str, user_agent: str) -> dict[str, Attribute]:
    """What is known of a request when it arrives."""
    return {
        "http.request.method": method,
        "http.route": route,
        "url.scheme": "http",
        "url.path": path,
        "server.address": "checkout.shop-production.svc.cluster.local",
        "server.port": 8080,
        "network.peer.address": people.address(random),
        "network.peer.port": random.randint(32768, 60999),
        "network.protocol.version": "1.1",
        "user_agent.original": user_agent,
    }


def _handler(random: Random, function: str, tenant: str) -> dict[str, Attribute]:
    package = function.partition(".")[0]
    return {
        "code.function.name": f"example.com/shop/checkout/internal/{function}",
        "code.file.path": f"/src/checkout/internal/{package}/handler.go",
        "code.line.number": random.randint(40, 400),
        "app.tenant": tenant,
        "app.region": random.choice(("eu-central", "eu-west", "us-east")),
        "app.release_ring": random.choice(("canary", "early", "general")),
        "app.feature_flags": random.sample(("new-checkout", "fast-search", "price-tests", "dark-mode", "b2b"), 3),
        "app.cart.items": random.randint(1, 30),
        "app.cart.total": round(random.lognormvariate(4, 1), 2),
        "app.currency": random.choice(("EUR", "USD", "CHF")),
        "app.cache.hit": random.random() < 0.4,
        "session.id": people.uuid(random),
    }


def _query(random: Random, text: str) -> dict[str, Attribute]:
    operation, table = summary(text).split()
    return {
        "db.system.name": "postgresql",
        "db.namespace": "shop|checkout",
        "db.operation.name": operation,
        "db.collection.name": table,
        "db.query.summary": f"{operation} {table}",
        "db.query.text": text,
        "db.response.returned_rows": random.randint(0, 50),
        "server.address": "orders-primary.databases.svc.cluster.local",
        "server.port": 5432,
        "network.peer.address": people.address(random),
        "network.peer.port": 5432,
        "app.pool.idle_connections": random.randint(0, 20),
        "app.pool.wait_ms": round(random.expovariate(3), 3),
    }


def _call(random: Random, method: str, host: str, path: str, tenant: str) -> dict[str, Attribute]:
    server = f"{host}.shop-production.svc.cluster.local"
    attributes: dict[str, Attribute] = {
        "http.request.method": method,
        "url.full": f"http://{server}:8080{path}",
        "server.address": server,
        "server.port": 8080,
        "network.peer.address": people.address(random),
        "network.peer.port": 8080,
        "network.protocol.version": "1.1",
        "http.request.body.size": random.randint(0, 4000),
        "http.response.status_code": 200,
        "http.response.body.size": random.randint(60, 9000),
        "user_agent.original": "shop-checkout/2.14.0",
        "service.peer.name": host,
    }
    if random.random() < 0.5:
        attributes |= {
            "app.tenant": tenant,
            "http.request.header.authorization": people.authorization(random),
        }
    return attributes


def _break(random: Random, failed: Draft, above: tuple[Draft, Draft]) -> None:
    """Let a query or a call fail, and all that waited for it."""
    if failed.scope == SQL:
        failed.fail("*pgconn.PgError", "canceling statement due to lock timeout (SQLSTATE 55P03)", _stack(random))
        failed.attributes["db.response.status_code"] = "55P03"
    else:
        failed.fail("*url.Error", "context deadline exceeded while awaiting headers", _stack(random))
        del failed.attributes["http.response.status_code"], failed.attributes["http.response.body.size"]
    handler, root = above
    handler.fail("*errors.wrapError", f"{handler.name}: {failed.error}")
    root.attributes["http.response.status_code"] = 500
    root.fail("500", "")


def _stack(random: Random) -> str:
    """A stack trace as Go writes it, of 1 KB."""
    lines = [f"goroutine {random.randint(100, 99999)} [running]:"]
    for function in random.sample(_FUNCTIONS, len(_FUNCTIONS)):
        package = function.partition(".")[0]
        lines.append(f"example.com/shop/checkout/internal/{function}(0xc000{people.hexadecimal(random, 3)})")
        place = f"{random.randint(20, 600)} +0x{random.randrange(4096):x}"
        lines.append(f"\t/src/checkout/internal/{package}/{package}.go:{place}")
    return "\n".join(lines)


_FUNCTIONS: Final = (
    "orders.(*Handler).Create",
    "orders.(*Store).Reserve",
    "storage.(*Pool).QueryRow",
    "storage.(*Transaction).Run",
    "middleware.Recover.func1",
    "middleware.Authenticate.func1",
    "routing.(*Mux).ServeHTTP",
    "limits.(*Limiter).Wrap.func2",
)

PROFILE: Final = Profile(
    name="http",
    title="microservices over HTTP with a database: 5 spans a trace, 10 to 20 attributes, health checks",
    spans_per_request=100,
    traces=traces,
    secrets=(people.BEARER, people.DOMAIN),
)
