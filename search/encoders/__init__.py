"""Encoders: images and texts into one vector space."""
