"""One measurement: a sink, a subject, a load, and what can be seen of them from outside."""
