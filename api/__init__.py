"""The doors: HTTP service, web page and command line."""
