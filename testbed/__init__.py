"""The whole program from outside: a demo application, and benchmarks."""
