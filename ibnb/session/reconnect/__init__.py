"""Reconnecting: what a connection had, its heartbeat, why it ended, and how it comes back."""
