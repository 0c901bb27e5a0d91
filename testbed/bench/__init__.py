"""What a span costs: in the kernel alone, and in the whole process between two sockets."""
