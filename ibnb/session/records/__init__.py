"""Records: what was requested of the gateways, and what they said."""
