"""Vector indexes: views of the catalog's embeddings, one engine a file."""
