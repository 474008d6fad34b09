"""What a page is shown with: this notebook's own requests, and the answers of checks."""
