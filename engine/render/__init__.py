"""Pictures: from stored values in an archive or in memory to pixels on a display."""
