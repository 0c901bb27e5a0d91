"""What the collector says about itself: metrics, logs."""
