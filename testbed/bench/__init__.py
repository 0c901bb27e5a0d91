"""What a span costs in the kernel alone. The whole process is what the testbed measures."""
