#!/usr/bin/env python3
"""Orders of a topic, each with its customer and its total: a stream from JSON to JSON, by key, errors aside.

    fanmap worker --serve enrich='python3 examples/python/orders.py'
    fanmap stream enrich --from orders --to enriched --errors-to failed --order key

The key of a record is its customer: by --order key the orders of one customer are worked on one after the other. An order that
cannot be right is an error at once; where the price list does not answer, the order is tried again (--retries 3 --backoff 1s).
"""
import fanmap_task

CUSTOMERS = {"ada": {"name": "Ada Lovelace", "discount": 10}, "alan": {"name": "Alan Turing", "discount": 0}}
PRICES = {"pencil": 120, "paper": 450}  # in cents


def price(article):
    if article not in PRICES:
        raise fanmap_task.Final(f"no such article: {article}")
    return PRICES[article]


@fanmap_task.task
def enrich(order):
    record = fanmap_task.attempt.record
    customer = CUSTOMERS.get(record["key"])
    if customer is None:
        raise fanmap_task.Final(f"no such customer: {record['key']}")
    total = sum(price(line["article"]) * line["count"] for line in order["lines"])
    return {
        **order,
        "customer": customer["name"],
        "total": total * (100 - customer["discount"]) // 100,
        "shop": dict(record["headers"]).get("shop"),
        "id": f"{record['topic']}/{record['partition']}/{record['offset']}",  # to recognise it by, where it is worked on twice
    }


if __name__ == "__main__":
    fanmap_task.serve()
