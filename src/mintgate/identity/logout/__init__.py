"""Telling applications that a session ended [EXT-3]."""
