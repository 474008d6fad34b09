"""What can be traded, and what it costs at any time."""
