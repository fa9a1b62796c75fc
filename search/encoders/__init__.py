"""Encoders: pictures and texts into one vector space."""
