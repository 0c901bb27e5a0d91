"""A running collector under hostile clients: mutated requests and mutated connections, and what must stay true of it.

`python -m testbed.hostile` sends as many as it is told to, `tests/end_to_end/test_hostile.py` a bounded part. What is
sent follows from a seed, so a run can be had again.
"""
