"""What the service of the `http` profile answers, and which statements and calls it needs for that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A route of the service."""

    method: str
    route: str
    handler: str
    queries: tuple[str, ...]
    calls: tuple[str, ...]
    """Method, host and path."""


ENDPOINTS: Final = (
    Endpoint(
        "GET",
        "/v1/orders/{id}",
        "orders.(*Handler).Get",
        ("SELECT id, state, total, currency, created_at FROM orders WHERE id = $1 AND tenant_id = $2",),
        ("GET shipping /v2/parcels/{id}",),
    ),
    Endpoint(
        "POST",
        "/v1/orders",
        "orders.(*Handler).Create",
        (
            "SELECT sku, price, stock FROM products WHERE sku = ANY($1) AND tenant_id = $2 FOR UPDATE",
            "INSERT INTO orders (id, tenant_id, user_id, state, total, currency) VALUES ($1, $2, $3, $4, $5, $6)",
            "UPDATE products SET stock = stock - $1 WHERE sku = $2 AND tenant_id = $3 RETURNING stock",
        ),
        ("POST payments /v1/charges/{id}", "POST mailer /v1/messages/{id}"),
    ),
    Endpoint(
        "GET",
        "/v1/products/{sku}/reviews",
        "reviews.(*Handler).List",
        (
            "SELECT r.id, r.stars, r.body, u.name FROM reviews r JOIN users u ON u.id = r.user_id WHERE r.sku = $1",
            "SELECT count(*), avg(stars) FROM reviews WHERE sku = $1 AND tenant_id = $2",
        ),
        (),
    ),
    Endpoint(
        "PUT",
        "/v1/carts/{id}/items/{sku}",
        "carts.(*Handler).Put",
        ("INSERT INTO cart_items (cart_id, sku, amount) VALUES ($1, $2, $3) ON CONFLICT (cart_id, sku) DO UPDATE",),
        ("GET pricing /v1/quotes/{id}",),
    ),
)


def summary(text: str) -> str:
    """The operation and the table of a statement: what its span is called."""
    words = text.split()
    table = {"SELECT": "FROM", "INSERT": "INTO", "UPDATE": "UPDATE"}[words[0]]
    return f"{words[0]} {words[words.index(table) + 1]}"
