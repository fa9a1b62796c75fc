"""The shapes: one function an article, from a look to a drawing."""
