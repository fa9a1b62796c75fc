"""Images: decoded safely, kept once by their content."""
