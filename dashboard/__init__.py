"""The dashboard: what people look at in a browser."""
