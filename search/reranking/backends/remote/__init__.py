"""What rerankers behind an HTTP API share: requests, retries and deadlines, what is asked, and how answers are read."""
