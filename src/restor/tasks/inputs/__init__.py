"""What tasks read: files that they hand to each other, settled configurations, streams of text."""
