"""HTTP endpoints, one resource per module. They translate between HTTP and the service."""
