"""Personal data and secrets in text: found, judged, and replaced, the same way in one piece and in any pieces."""
