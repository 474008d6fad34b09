"""Opening a connection: the race with close and time-out, retries, and what the log holds back."""
