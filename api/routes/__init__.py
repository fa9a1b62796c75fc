"""HTTP endpoints, one resource a module. They translate; the packages below decide."""
