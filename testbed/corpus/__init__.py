"""What processors make of spans, case by case, as the real Go collector does it.

`python -m testbed.corpus` runs every case of `tests/ottl/cases` through the Go collector and writes down what it did,
in `tests/ottl/recorded`. `tests/ottl` runs the same cases through Spanmill and compares.

`python -m testbed.corpus.owners` records where its `load_balancing` exporter sends spans, and
`tests/kernel/test_route.py` compares.
"""
