"""`retrieval`: questions answered from a knowledge base: embed, search each shard, rerank, and often generate.

A trace is a SERVER span `POST /v1/ask` with a tree below it: `retrieval <collection>` (INTERNAL) with
`embeddings <model>` (CLIENT), `search <collection>` (INTERNAL) with a query of each of 3 to 8 shards (CLIENT) and
`rerank <model>` (CLIENT); beside it, in seven of ten traces, `chat <model>` (CLIENT). It has 11 spans on average.

What was found stands in lists: ids of 8 to 20 documents a shard as strings and their scores as doubles, in the order of
the scores; again for all shards together, before and after reranking. `gen_ai.retrieval.documents` has the best ones
as nested values. One shard in 50 does not answer in time, which the search survives: its span alone has an error.
SERVER spans carry `user.email` in half of the traces and `http.request.header.authorization` in all.
A span has 0.9 KB on average.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from typing import Final

from collector.testing import Attribute
from testbed.profiles import people, prose
from testbed.profiles.building import CLIENT, INTERNAL, SERVER, Draft, Scope, Service, Trace
from testbed.profiles.models import CHAT_MODELS, EMBEDDING_MODEL, RERANK_MODEL, answered, asked
from testbed.profiles.templates import Profile

KNOWLEDGE: Final = Service("knowledge", "3.0.7", "java", "1.55.0")
NETTY: Final = Scope("io.opentelemetry.netty-4.1", "2.21.0")
SEARCH: Final = Scope("io.opentelemetry.opensearch-java-3.0", "2.21.0-alpha")
OWN: Final = Scope("example.knowledge.retrieval", "3.0.7")

ROUTE: Final = "/v1/ask"
COLLECTIONS: Final = ("handbook", "tickets", "contracts")
TOP_K: Final = 8

Found = list[tuple[float, str]]
"""Scores and ids of documents, best first."""


def traces(random: Random) -> Iterator[Trace]:
    """Questions and their answers."""
    while True:
        yield Trace(KNOWLEDGE, _question(random))


def _question(random: Random) -> Draft:
    attributes: dict[str, Attribute] = {
        "http.request.method": "POST",
        "http.route": ROUTE,
        "url.scheme": "https",
        "url.path": ROUTE,
        "server.address": "knowledge.example.com",
        "client.address": people.address(random),
        "http.response.status_code": 200,
        "app.tenant": random.choice(people.TENANTS),
        "http.request.header.authorization": people.authorization(random),
    }
    if random.random() < 0.5:
        attributes["user.email"] = people.email(random)
    root = Draft(NETTY, f"POST {ROUTE}", SERVER, attributes, ms=2)
    root.parent_is_foreign = random.random() < 0.5
    _retrieve(random, root, random.choice(COLLECTIONS), prose.sentence(random))
    if random.random() < 0.7:
        model, output_tokens = random.choice(CHAT_MODELS), random.randint(50, 600)
        attributes = asked(random, model) | answered(random, model, output_tokens=output_tokens)
        root.child(OWN, f"chat {model.name}", CLIENT, attributes, ms=output_tokens * random.uniform(8, 30))
    return root


def _retrieve(random: Random, root: Draft, collection: str, question: str) -> None:
    attributes: dict[str, Attribute] = {
        "gen_ai.operation.name": "retrieval",
        "gen_ai.data_source.id": collection,
        "gen_ai.retrieval.query.text": question,
        "gen_ai.retrieval.top_k": TOP_K,
        "app.language": random.choice(("en", "de", "fr")),
    }
    retrieval = root.child(OWN, f"retrieval {collection}", INTERNAL, attributes, ms=1)
    model = EMBEDDING_MODEL
    attributes = asked(random, model, "embeddings") | {
        "gen_ai.response.model": model.version,
        "gen_ai.embeddings.dimension.count": 1024,
        "gen_ai.request.encoding_formats": ["float"],
        "gen_ai.usage.input_tokens": random.randint(8, 60),
    }
    retrieval.child(OWN, f"embeddings {model.name}", CLIENT, attributes, ms=random.uniform(10, 60))
    found = _search(random, retrieval, collection)
    best = _rerank(random, retrieval, found)
    retrieval.attributes["gen_ai.retrieval.documents"] = [{"id": id, "score": score} for score, id in best]


def _search(random: Random, retrieval: Draft, collection: str) -> Found:
    shards = random.randint(3, 8)
    attributes: dict[str, Attribute] = {"app.search.shards": shards, "app.search.method": "hnsw", "app.search.ef": 128}
    search = retrieval.child(OWN, f"search {collection}", INTERNAL, attributes, ms=0.5)
    found: Found = []
    for shard in range(shards):
        answer = _shard(random, search, f"{collection}-{shard}")
        found += answer
    found = sorted(found, reverse=True)[:20]
    search.attributes |= _lists("app.search", found)
    return found


def _shard(random: Random, search: Draft, name: str) -> Found:
    attributes: dict[str, Attribute] = {
        "db.system.name": "opensearch",
        "db.operation.name": "search",
        "db.namespace": name,
        "db.query.text": '{"query":{"knn":{"embedding":{"vector":"?","k":"?"}}}}',
        "server.address": f"{name}.search.svc.cluster.local",
        "server.port": 9200,
        "network.peer.address": people.address(random),
    }
    query = search.child(SEARCH, f"search {name}", CLIENT, attributes, ms=random.lognormvariate(2.5, 0.6))
    if random.random() < 0.02:
        query.ms = 500
        query.fail("timeout", f"{name} did not answer within 500 ms")
        return []
    count = random.randint(8, 20)
    scores = sorted((round(random.random(), 6) for _ in range(count)), reverse=True)
    found = [(score, f"{name}/{people.hexadecimal(random, 6)}") for score in scores]
    query.attributes |= {"db.response.returned_rows": count} | _lists("app.search", found)
    return found


def _rerank(random: Random, retrieval: Draft, found: Found) -> Found:
    best = sorted(((round(random.betavariate(2, 5), 6), id) for _, id in found), reverse=True)[:TOP_K]
    attributes = asked(random, RERANK_MODEL, "rerank") | {"app.rerank.candidates": [id for _, id in found]}
    attributes |= _lists("app.rerank", best)
    retrieval.child(OWN, f"rerank {RERANK_MODEL.name}", CLIENT, attributes, ms=random.uniform(30, 150))
    return best


def _lists(prefix: str, found: Sequence[tuple[float, str]]) -> dict[str, Attribute]:
    return {f"{prefix}.ids": [id for _, id in found], f"{prefix}.scores": [score for score, _ in found]}


PROFILE: Final = Profile(
    name="retrieval",
    title="answers from a knowledge base: trees of 11 spans with lists of ids and scores",
    spans_per_request=100,
    traces=traces,
    secrets=(people.BEARER, people.DOMAIN),
)
