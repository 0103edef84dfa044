"""Exchange Lab."""
