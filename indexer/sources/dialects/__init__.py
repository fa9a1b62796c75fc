"""Dialects: well-known catalog layouts, each one declarative file beside this one."""
