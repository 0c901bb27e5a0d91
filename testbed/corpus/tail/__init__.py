"""What `tail_sampling` decides about made-up traffic, as the real Go collector does it.

`python -m testbed.corpus.tail` runs the cases of `tests/data/tail_sampling` through the Go collector and writes down
what it did, beside them. `tests/processors/tail_sampling` runs the same cases through Spanmill and compares.
"""
