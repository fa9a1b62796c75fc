"""Encoders exported for ONNX Runtime: made, quantised, and compared with what they were made from."""
