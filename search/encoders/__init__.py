"""Encoders: models that embed images and texts into one vector space."""
