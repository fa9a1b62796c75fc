"""Rerankers in this process by ONNX Runtime: the embedded one, and what ``vitrina reranker export`` has exported."""
