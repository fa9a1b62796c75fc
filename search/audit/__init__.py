"""Audits: label errors, found by comparing a whole catalog with its images."""
