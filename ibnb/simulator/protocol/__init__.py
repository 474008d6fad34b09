"""What goes over the wire: frames, fields, and the texts of notices, by server version."""
