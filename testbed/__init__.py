"""The whole program from outside: a demo application, benchmarks, and the comparison with other collectors."""
