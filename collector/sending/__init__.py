"""What stands in front of every exporter: a queue, retries, a timeout. See `collector.sending.sender`."""
