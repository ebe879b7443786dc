"""Long passes over embedding files: what is kept of them when they end early, and added to later."""
