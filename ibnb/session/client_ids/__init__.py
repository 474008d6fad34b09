"""Client IDs: stable ones, their leases, and who owns one that is in use."""
