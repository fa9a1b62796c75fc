"""A small shop drawn by code: the demo's catalog, the tests' data and part of the encoder's training set."""
