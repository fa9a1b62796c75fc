"""How what ships was made: the embedded encoder, the embedded reranker, and the boutique. Not installed."""
