"""Reconnecting: a connection's heartbeat, why it ended, and how it comes back."""
